"""The nearest name to a mistyped one."""

from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant.

    >>> nearest("comand", ["command", "inputs"])
    'command'
    """
    known = sorted(set(names))
    folded = {other.lower(): other for other in known}
    if name.lower() in folded:
        return folded[name.lower()]
    import difflib  # noqa: PLC0415 -- lazy: this module is on the hot path

    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """Return a hint with the nearest name, else with what there is, else nothing.

    >>> did_you_mean("lrr", ["lr", "seed"])
    "did you mean 'lr'?"
    >>> did_you_mean("zzz", ["lr", "seed"])
    'known: lr, seed'
    """
    names = sorted(set(names))
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"known: {', '.join(names)}" if names else None
