"""Write how far each point is from the line; the standard library is enough."""

import csv
import json
import platform
from pathlib import Path

line = json.loads(Path("build/line.json").read_text())
with Path("build/residuals.csv").open("w") as out:
    for point in csv.DictReader(Path("build/points.csv").read_text().splitlines()):
        x, y = float(point["x"]), float(point["y"])
        print(f"{x:.6f} {y - line['intercept'] - line['slope'] * x:+.6f}", file=out)
print(f"written by Python {platform.python_version()}")
