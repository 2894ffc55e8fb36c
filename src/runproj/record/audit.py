"""Executing some of what would have been skipped, to see whether the cache tells the truth."""

import hashlib
from typing import Literal

from runproj.model import Model

_DIGITS = 13  # hexadecimal: what a float holds


class Audit(Model):
    """Which share of the steps that need not execute are executed all the same.

    ``share`` is between 0 and 1. The ``seed`` decides about each step by its name: the same seed
    chooses the same steps.
    """

    share: float
    seed: int

    def takes(self, step: str) -> bool:
        """Tell whether a step is chosen.

        >>> Audit(share=1.0, seed=7).takes("train"), Audit(share=0.0, seed=7).takes("train")
        (True, False)
        """
        digest = hashlib.sha256(f"{self.seed}/{step}".encode()).hexdigest()
        return bool(int(digest[:_DIGITS], 16) < self.share * 16.0**_DIGITS)


class Audited(Model):
    """What came of it: how a step run compares with the one that would have been taken.

    ``taken`` is ``RUN/STEP``. ``differences`` are in words, one for each output; none: it told the
    truth. ``likely`` says what may have made them, the most likely first.
    """

    taken: str
    verdict: Literal["identical", "equivalent", "different"]
    differences: tuple[str, ...] = ()
    likely: tuple[str, ...] = ()
