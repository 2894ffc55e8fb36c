"""Throw points at a square, and count those in the circle."""

import json
import random
import sys
from pathlib import Path

points, target = int(sys.argv[1]), Path(sys.argv[2])
chance = random.Random(0)
inside = sum(chance.random() ** 2 + chance.random() ** 2 < 1 for _ in range(points))
target.write_text(json.dumps({"points": points, "inside": inside}))
print(f"{inside} of {points} points are inside")
