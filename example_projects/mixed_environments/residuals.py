"""Write how far each point is from the line; the standard library is enough."""

import csv
import json
import platform
from pathlib import Path

line = json.loads(Path("build/line.json").read_text())
with open("build/points.csv", newline="") as points, open("build/residuals.csv", "w") as out:
    for point in csv.DictReader(points):
        x, y = float(point["x"]), float(point["y"])
        print(f"{x:.6f} {y - line['intercept'] - line['slope'] * x:+.6f}", file=out)
print(f"written by Python {platform.python_version()}")
