"""Estimate pi from the counts."""

import json
import math
import sys
from pathlib import Path

counts = json.loads(Path(sys.argv[1]).read_text())
pi = 4 * counts["inside"] / counts["points"]
Path(sys.argv[2]).write_text(json.dumps({"pi": pi, "error": abs(pi - math.pi)}))
