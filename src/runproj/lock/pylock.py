"""Lockfiles of virtual environments: PEP 751, with a table of ours at the end.

See https://packaging.python.org/en/latest/specifications/pylock-toml/.
"""

import re
import tomllib
from collections.abc import Collection, Mapping

from runproj.errors import EnvironmentFailed
from runproj.lock.declaration import normalized

_PACKAGE = "[[packages]]\n"
_TABLE = "\n[tool.runproj]\n"
_DECLARATION = re.compile(r'^declaration = "([0-9a-f]{64})"$', re.MULTILINE)
_USERINFO = re.compile(r"(?<=://)[^/@\s\"']+@")


def with_declaration(content: str, declaration: str) -> str:
    """Return a lockfile that says for which declaration it was made; no address has a password."""
    body = body_of(content).rstrip("\n")
    return f'{_USERINFO.sub("", body)}\n{_TABLE}declaration = "{declaration}"\n'


def declaration_of(content: str) -> str | None:
    """Return the digest of the declaration that a lockfile was made for, None: it does not say."""
    _, table, rest = content.partition(_TABLE)
    match = _DECLARATION.search(rest) if table else None
    return match[1] if match else None


def body_of(content: str) -> str:
    """Return a lockfile without our table: what an environment is made of."""
    return content.partition(_TABLE)[0]


def packages(content: str) -> Mapping[str, str]:
    """Return names and versions of the packages of a lockfile.

    Raises:
        EnvironmentFailed: it is not TOML, or not a lockfile.
    """
    try:
        listed = tomllib.loads(content)["packages"]
        return {normalized(one["name"]): str(one.get("version", "")) for one in listed}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it lists no packages"
        raise EnvironmentFailed(
            f"the lockfile is damaged: {why}", hint="'runproj lock' writes it anew"
        ) from error


def difference(old: str, new: str) -> list[tuple[str, str | None, str | None]]:
    """Return name, old and new version of the packages that differ between two lockfiles."""
    before, after = packages(old), packages(new)
    return [
        (name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def without(content: str, names: Collection[str]) -> str:
    r"""Return a lockfile without some packages, so that nothing pins them.

    >>> without('a = 1\n[[packages]]\nname = "x"\n[[packages]]\nname = "y"\n', ["x"])
    'a = 1\n[[packages]]\nname = "y"\n'
    """
    head, *blocks = content.split(_PACKAGE)
    wanted = {normalized(name) for name in names}
    kept = [block for block in blocks if normalized(_name(block)) not in wanted]
    return _PACKAGE.join([head, *kept])


def _name(block: str) -> str:
    match = re.search(r'^name = "([^"]*)"', block, re.MULTILINE)
    return match[1] if match else ""
