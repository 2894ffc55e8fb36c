"""Fits a model on all of the data, and tells how well it knows them."""

import argparse
import json
from pathlib import Path

import numpy as np
from models import model

parser = argparse.ArgumentParser()
parser.add_argument("wines")
parser.add_argument("--model", required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--out", type=Path, required=True)
args = parser.parse_args()

table = np.loadtxt(args.wines, delimiter=",", skiprows=1)
kinds, features = table[:, 1], table[:, 2:]
fitted = model(args.model, args.seed).fit(features, kinds)
known = round(float(fitted.score(features, kinds)), 6)
args.out.write_text(json.dumps({"model": args.model, "wines": len(table), "known": known}) + "\n")
