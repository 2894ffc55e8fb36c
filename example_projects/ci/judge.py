"""Fail when the estimate is poor: then the job in CI fails, too."""

import json
import sys
from pathlib import Path

ALLOWED = 0.05

error = json.loads(Path(sys.argv[1]).read_text())["error"]
if error > ALLOWED:
    sys.exit(f"the estimate is {error:.3f} away from pi")
print(f"the estimate is {error:.5f} away from pi")
