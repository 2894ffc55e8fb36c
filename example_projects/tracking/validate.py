"""Cross-validate a classifier by nearest neighbours, and tell how well it does."""

import csv
import json
import math
from collections import Counter
from pathlib import Path

import runproj

Flower = tuple[tuple[float, ...], str]


def read(path: str) -> list[Flower]:
    """Return measurements and species of the flowers."""
    rows = list(csv.reader(Path(path).read_text(encoding="utf-8").splitlines()))[1:]
    return [(tuple(map(float, row[:4])), row[4]) for row in rows]


def classify(flower: tuple[float, ...], known: list[Flower], k: int, weights: str) -> str:
    """Return what most of the nearest neighbours are; each counts as its weight says."""
    nearest = sorted((math.dist(flower, other), species) for other, species in known)[:k]
    votes: Counter[str] = Counter()
    for distance, species in nearest:
        votes[species] += 1 if weights == "uniform" else 1 / (distance + 1e-9)
    return max(sorted(votes), key=votes.__getitem__)


def main() -> None:
    """Take every fold out once, and classify it by the rest."""
    k, weights, folds = (runproj.params[name] for name in ("k", "weights", "folds"))
    flowers = read(runproj.input_path("iris.csv"))
    confusion: Counter[tuple[str, str]] = Counter()
    right = 0
    for fold in range(folds):
        known = [one for at, one in enumerate(flowers) if at % folds != fold]
        asked = flowers[fold::folds]
        found = [(species, classify(flower, known, k, weights)) for flower, species in asked]
        confusion.update(found)
        hits = sum(species == said for species, said in found)
        right += hits
        runproj.log_metric("fold_accuracy", hits / len(asked), step=fold)
    runproj.log_metric("accuracy", right / len(flowers))
    runproj.log_param("flowers", len(flowers))
    runproj.set_tag("data", "iris")
    table = ["species,said,flowers"]
    table += [f"{species},{said},{count}" for (species, said), count in sorted(confusion.items())]
    runproj.log_text("\n".join(table) + "\n", "confusion.csv")
    model = json.dumps({"k": k, "weights": weights, "flowers": flowers})
    Path(runproj.output_path("model")).write_text(model, encoding="utf-8")


main()
