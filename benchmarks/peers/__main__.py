"""``python benchmarks/peers``: see :mod:`benchmarks.peers.command`."""

import sys
from importlib import import_module
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])
import_module("benchmarks.peers.command").main()
