"""Splits the digits data into a training and a test part."""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--test-share", type=float, required=True)
parser.add_argument("--seed", type=int, required=True)
args = parser.parse_args()

images, labels = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(
    images / 16, labels, test_size=args.test_share, random_state=args.seed, stratify=labels
)
build = Path("build")
np.savez(build / "train.npz", x=x_train, y=y_train)
np.savez(build / "test.npz", x=x_test, y=y_test)
print(f"{len(x_train)} images to train on, {len(x_test)} to test with")
