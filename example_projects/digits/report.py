"""Writes a page with the results, and draws the confusion matrix."""

import csv
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

metrics = json.loads(Path("build/metrics.json").read_text())
confusion = np.loadtxt("build/confusion.csv", delimiter=",")
with Path("build/curve.csv").open() as file:
    curve = list(csv.DictReader(file))

figure, axes = plt.subplots(figsize=(5, 5))
axes.imshow(confusion, cmap="Blues")
for (row, column), count in np.ndenumerate(confusion):
    if count:
        axes.text(column, row, f"{count:.0f}", ha="center", va="center")
axes.set(xlabel="predicted", ylabel="digit", xticks=range(10), yticks=range(10))
figure.savefig("build/confusion.png", dpi=100, metadata={"Software": None})

lines = [
    "# Handwritten digits",
    "",
    f"- accuracy on unseen images: {metrics['accuracy']:.4f}",
    f"- f1 (macro): {metrics['f1']:.4f}",
    f"- accuracy on the training data: {float(curve[-1]['train_accuracy']):.4f}",
    "",
    "![confusion matrix](confusion.png)",
]
Path("build/report.md").write_text("\n".join(lines) + "\n")
print("wrote build/report.md")
