"""Trains a linear classifier by stochastic gradient descent, one pass after another."""

import argparse
import csv
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import SGDClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
args = parser.parse_args()

data = np.load("build/train.npz")
model = SGDClassifier(
    loss="log_loss", learning_rate="constant", eta0=args.lr, random_state=args.seed
)
order = np.random.default_rng(args.seed)
with Path("build/curve.csv").open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["epoch", "train_accuracy"])
    for epoch in range(1, args.epochs + 1):
        shuffled = order.permutation(len(data["y"]))
        model.partial_fit(data["x"][shuffled], data["y"][shuffled], classes=np.arange(10))
        accuracy = model.score(data["x"], data["y"])
        rows.writerow([epoch, f"{accuracy:.6f}"])
        if epoch % 5 == 0:
            print(f"epoch {epoch}: accuracy on the training data {accuracy:.4f}")
joblib.dump(model, "build/model.joblib")
