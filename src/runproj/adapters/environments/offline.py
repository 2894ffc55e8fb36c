"""Whether the network may be asked."""

from collections.abc import Mapping

_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})

WITHOUT = "nothing asks the network (--offline, UV_OFFLINE)"
"""What messages say of it."""

ONCE = "do it once without --offline (or UV_OFFLINE): what it needs is kept"
"""What a person can do."""


def is_offline(caller: Mapping[str, str]) -> bool:
    """Tell whether a caller's variables forbid to ask the network."""
    return any(caller.get(name, "").lower() in _TRUE for name in ("UV_OFFLINE", "RUNPROJ_OFFLINE"))
