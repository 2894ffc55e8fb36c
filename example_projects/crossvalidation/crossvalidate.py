"""Fits a model on all folds but one, and scores it on that one."""

import argparse
import json
from pathlib import Path

import numpy as np
from models import model

parser = argparse.ArgumentParser()
parser.add_argument("wines")
parser.add_argument("--fold", type=int, required=True)
parser.add_argument("--model", required=True)
parser.add_argument("--trees", type=int)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--out", type=Path, required=True)
args = parser.parse_args()

table = np.loadtxt(args.wines, delimiter=",", skiprows=1)
tested = table[:, 0] == args.fold
kinds, features = table[:, 1], table[:, 2:]
fitted = model(args.model, args.seed, args.trees).fit(features[~tested], kinds[~tested])
accuracy = float(fitted.score(features[tested], kinds[tested]))
scores = {"model": args.model, "fold": args.fold, "accuracy": round(accuracy, 6)}
args.out.write_text(json.dumps(scores) + "\n")
print(f"{args.model} on fold {args.fold}: {accuracy:.3f}")
