"""What every value that is read or written has in common: frozen, strict about keys, digestible."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value that refuses unknown keys.

    What pydantic needs to check values is built when a class is first used: most commands use few.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def canonical(data: Any) -> bytes:  # noqa: ANN401 -- any JSON value
    """Return the one JSON text of ``data``: sorted keys, no spaces, ASCII.

    >>> canonical({"b": 1, "a": [0.1, None]})
    b'{"a":[0.1,null],"b":1}'
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest_of(data: Any) -> str:  # noqa: ANN401 -- any JSON value
    """Return the sha256 (64 hex digits) of the canonical JSON of ``data``."""
    return hashlib.sha256(canonical(data)).hexdigest()
