"""Where the declared files say that packages come from, as variables of uv.

When uv builds a package, it looks for what the build needs with the settings of the user only. A
project that names its own index means that one for builds, too. Variables, and no file: an address
may hold a password.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

_OPTION = re.compile(
    r"^\s*(?:(?P<short>-[if])\s*|--(?P<long>index-url|extra-index-url|find-links|pypi-url)"
    r"(?:\s+|\s*=\s*))(?P<value>\S+)",
    re.MULTILINE,
)
_MEANT = {"-i": "default", "index-url": "default", "pypi-url": "default", "-f": "links",
          "find-links": "links", "extra-index-url": "more"}  # fmt: skip


class Found(NamedTuple):
    """An address that a file names; ``meant`` is ``default``, ``more`` or ``links``."""

    meant: str
    address: str


def variables(texts: Iterable[str], caller: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's variables with the indexes that declared texts name.

    What the caller's variables say comes first, as it does when uv resolves.

    Args:
        texts: requirement files, and TOML of ``pyproject.toml`` or ``uv.toml``.
        caller: the caller's variables.
    """
    found = [one for text in texts for one in (_of_toml(text) or _of_requirements(text))]
    made = dict(caller)
    default = next((one.address for one in found if one.meant == "default"), None)
    if default and not (caller.get("UV_DEFAULT_INDEX") or caller.get("UV_INDEX_URL")):
        made["UV_DEFAULT_INDEX"] = default
    more = [one.address for one in found if one.meant == "more"]
    links = [one.address for one in found if one.meant == "links"]
    if more:
        made["UV_INDEX"] = " ".join(filter(None, [caller.get("UV_INDEX"), *dict.fromkeys(more)]))
    if links:
        given = caller.get("UV_FIND_LINKS")
        made["UV_FIND_LINKS"] = ",".join(filter(None, [given, *dict.fromkeys(links)]))
    return made


def closed(texts: Iterable[str]) -> bool:
    """Tell whether a requirement file wants no index to be asked."""
    return any(re.search(r"^\s*--no-index\b", text, re.MULTILINE) for text in texts)


def _of_requirements(text: str) -> Iterator[Found]:
    for option in _OPTION.finditer(text):
        yield Found(_MEANT[option["short"] or option["long"]], option["value"].strip("\"'"))


def _of_toml(text: str) -> list[Found]:
    """Return what uv's settings name; nothing when the text is no TOML."""
    try:
        read: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return []
    own = read.get("tool", {}).get("uv", {}) if "tool" in read else read
    if not isinstance(own, dict):
        return []
    found = []
    for one in own.get("index", ()):
        if isinstance(one, dict) and "url" in one and not one.get("explicit"):
            named = f"{one['name']}={one['url']}" if "name" in one else str(one["url"])
            found.append(Found("default" if one.get("default") else "more", named))
    if "index-url" in own:
        found.append(Found("default", str(own["index-url"])))
    found += [Found("more", str(one)) for one in own.get("extra-index-url", ())]
    return found + [Found("links", str(one)) for one in own.get("find-links", ())]
