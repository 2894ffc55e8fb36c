"""Averages the scores of each model, and lists the models worth another look."""

import argparse
import json
from pathlib import Path
from statistics import fmean

NEAR = 0.03  # so much worse than the best is still worth a look

parser = argparse.ArgumentParser()
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("scores", type=Path, nargs="+")
args = parser.parse_args()

found: dict[str, list[float]] = {}
for path in args.scores:
    one = json.loads(path.read_text())
    found.setdefault(one["model"], []).append(one["accuracy"])
means = {name: round(fmean(scores), 6) for name, scores in sorted(found.items())}
best = max(means.values())
lines = [f"{name},{len(found[name])},{mean}" for name, mean in means.items()]
args.out.write_text("\n".join(["model,folds,accuracy", *lines]) + "\n")
good = [{"model": name} for name, mean in means.items() if mean >= best - NEAR]
Path("build/good.json").write_text(json.dumps(good) + "\n")
Path("build/metrics.json").write_text(json.dumps({"best": best, **means}) + "\n")
