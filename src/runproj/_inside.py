"""What stands as ``runproj/__init__.py`` beside a step, with :mod:`runproj._client`.

Where runproj is installed in the step's environment, the rest of it is found behind these files.
"""

import os
import sys

from runproj import _client
from runproj._client import *  # noqa: F403 -- all that programs call

_BEHIND = (os.path.join(entry or ".", "runproj") for entry in sys.path)
__path__ = [
    *globals().get("__path__", ()),  # none, where somebody imports it by its own name
    *(place for place in _BEHIND if os.path.isdir(os.path.join(place, "cli"))),
]
__getattr__ = _client.__getattr__
