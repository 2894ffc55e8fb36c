"""What changed between two fingerprints, in words."""

from collections.abc import Iterable, Iterator, Mapping

from runproj.plan.command import resolve_symbols
from runproj.plan.fingerprint import Fingerprint
from runproj.plan.plan import Reason


def reasons(
    before: Fingerprint,
    after: Fingerprint,
    *,
    packages: Iterable[tuple[str, str | None, str | None]],
    files: Iterable[str],
) -> tuple[Reason, ...]:
    """Return why a step with the second fingerprint is not what the first was.

    Args:
        before: of the last successful step run of the same step.
        after: of the step now.
        packages: name, old and new version of packages that differ in the environment.
        files: source files that differ; those that are inputs too are named as inputs only.
    """
    found = [*_parameters(before, after)]
    if _how(before) != _how(after) or (not found and before.argv != after.argv):
        found.append(Reason(kind="command"))
    found += _environment(before, after, packages)
    inputs = list(_changed(before.inputs, after.inputs))
    found += [
        Reason(
            kind="input",
            name=path,
            before=_short(before.inputs.get(path)),
            after=_short(after.inputs.get(path)),
        )
        for path in inputs
    ]
    if before.source != after.source:
        found += [Reason(kind="source", name=path) for path in files if path not in inputs]
        if not any(reason.kind in ("source", "input") for reason in found):
            found.append(Reason(kind="source", name="which files belong to it"))
    found += [
        Reason(
            kind="variable",
            name=name,
            before=_shown(before.env.get(name)),
            after=_shown(after.env.get(name)),
        )
        for name in _changed(before.env, after.env)
        if not name.startswith("RUNPROJ_VALUE_")
    ]
    if before.outputs != after.outputs:
        found.append(Reason(kind="output", name=", ".join(after.outputs) or "none"))
    if before.platform != after.platform:
        found.append(Reason(kind="platform", before=before.platform, after=after.platform))
    return tuple(found) or (Reason(kind="command"),)


def _short(digest: str | None) -> str | None:
    return digest and digest.removeprefix("100644 ").removeprefix("100755 ")[:12]


def _how(fingerprint: Fingerprint) -> tuple[object, ...]:
    return fingerprint.directory, fingerprint.streams


def _shown(text: str | None) -> str | None:
    return text and resolve_symbols(text, "{run.id}", "{workspace}")


def _parameters(before: Fingerprint, after: Fingerprint) -> Iterator[Reason]:
    for name in _changed(before.parameters, after.parameters):
        yield Reason(
            kind="parameter",
            name=name,
            before=before.parameters.get(name),
            after=after.parameters.get(name),
        )


def _environment(
    before: Fingerprint,
    after: Fingerprint,
    packages: Iterable[tuple[str, str | None, str | None]],
) -> Iterator[Reason]:
    if before.environment == after.environment:
        return
    named = [
        Reason(kind="environment", name=name, before=old, after=new) for name, old, new in packages
    ]
    yield from named or [
        Reason(
            kind="environment",
            name="key",
            before=before.environment[:12],
            after=after.environment[:12],
        )
    ]


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    for name in dict.fromkeys([*after, *before]):
        if before.get(name) != after.get(name):
            yield name
