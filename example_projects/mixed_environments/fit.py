"""Fit a line through the points, with numpy."""

import json
from pathlib import Path

import numpy as np

x, y = np.loadtxt("build/points.csv", delimiter=",", skiprows=1, unpack=True)
slope, intercept = np.polyfit(x, y, 1)
Path("build/line.json").write_text(
    json.dumps({"slope": round(float(slope), 9), "intercept": round(float(intercept), 9)})
)
print(f"y = {intercept:.3f} + {slope:.3f} x")
