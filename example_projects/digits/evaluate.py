"""Measures a model on the test data."""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

model = joblib.load(sys.argv[1])
data = np.load("build/test.npz")
predicted = model.predict(data["x"])
metrics = {
    "accuracy": float(accuracy_score(data["y"], predicted)),
    "f1": float(f1_score(data["y"], predicted, average="macro")),
}
Path("build/metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
np.savetxt("build/confusion.csv", confusion_matrix(data["y"], predicted), fmt="%d", delimiter=",")
print(f"accuracy {metrics['accuracy']:.4f}, f1 {metrics['f1']:.4f}")
