"""Estimates pi: the share of random points of a square that fall into its circle."""

import argparse
import json
import random
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--samples", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--out", type=Path, required=True)
args = parser.parse_args()

points = random.Random(args.seed)
inside = sum(points.random() ** 2 + points.random() ** 2 < 1 for _ in range(args.samples))
pi = 4 * inside / args.samples

args.out.write_text(json.dumps({"pi": pi}) + "\n")
print(f"pi is about {pi} after {args.samples} points")
