"""Writes the wines as CSV, each with the number of a fold."""

import argparse
import csv
from pathlib import Path

from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--folds", type=int, nargs="+", required=True)
args = parser.parse_args()

wines = load_wine()
splitter = StratifiedKFold(len(args.folds), shuffle=True, random_state=args.seed)
fold_of = {}
for fold, (_, tested) in zip(args.folds, splitter.split(wines.data, wines.target), strict=True):
    fold_of |= dict.fromkeys(tested.tolist(), fold)
with Path("build/wines.csv").open("w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["fold", "kind", *wines.feature_names])
    for index, (kind, row) in enumerate(zip(wines.target, wines.data, strict=True)):
        writer.writerow([fold_of[index], kind, *row])
print(f"{len(fold_of)} wines in {len(args.folds)} folds")
