"""The fingerprint of a step: everything that decides its result, part by part."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from runproj.model import Model, digest_of, field
from runproj.plan.plan import PlannedOutput, PlannedStep
from runproj.spec.paths import matches_any

FORMAT = 1
_NO_REST = ("digest", "source", "tree", "parameters")


class Fingerprint(Model):
    """The parts, and their digest.

    ``env`` holds set variables and the caller's; ``source`` is the digest of the files that the
    step sees; ``inputs`` maps paths to digests. ``tree`` and ``parameters`` explain a difference
    and do not count: what they decide is in the other parts.
    """

    digest: str
    argv: tuple[str, ...]
    env: dict[str, str | None] = field(default_factory=dict)
    environment: str
    source: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    directory: str = "."
    streams: tuple[str | None, str | None] = (None, None)
    platform: str
    tree: str = ""
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def rest(self) -> str:
        """The digest of everything but the source: it finds what differs in nothing else."""
        parts = {name: part for name, part in vars(self).items() if name not in _NO_REST}
        return digest_of({"format": FORMAT, **parts})


SECRET = "(secret)"  # noqa: S105 -- no password
"""What a fingerprint says of a secret: that there is one."""


def fingerprint(
    step: PlannedStep,
    *,
    environment: str,
    source: str,
    inputs: Mapping[str, str],
    platform: str,
    tree: str,
) -> Fingerprint:
    """Compute the fingerprint of a step whose inputs are all known.

    Args:
        step: the step.
        environment: the key of its environment.
        source: what :func:`source_digest` says of the files it sees.
        inputs: path → digest of every input.
        platform: system and machine, ``linux-x86_64``.
        tree: id of the source tree.
    """
    parts: dict[str, Any] = {
        "argv": step.argv,
        "env": {**step.pass_env, **step.env, **dict.fromkeys(step.secrets, SECRET)},
        "environment": environment,
        "source": source,
        "inputs": dict(inputs),
        "outputs": tuple(sorted(map(_declared, step.outputs))),
        "directory": step.working_directory,
        "streams": (step.stdin, step.stdout),
        "platform": platform,
    }
    digest = digest_of({"format": FORMAT, **parts})
    return Fingerprint(digest=digest, **parts, tree=tree, parameters=step.parameters)


def _declared(output: PlannedOutput) -> str:
    """Return what decides about an output: its path, by which name it is kept, what is read."""
    named = output.path if output.name is None else f"{output.name}={output.path}"
    return f"{named} (metrics)" if output.metrics else named


def visible(
    manifest: Mapping[str, str],
    sources: Iterable[str] | None,
    hidden: Collection[str],
    inputs: Iterable[str] = (),
) -> dict[str, str]:
    """Return the part of a manifest that a step sees.

    Args:
        manifest: path → mode and object id, of the project folder.
        sources: globs or folders that narrow it; None: everything.
        hidden: files and folders that are not shown.
        inputs: declared inputs, shown even when ``sources`` leaves them out.
    """
    shown = {path: entry for path, entry in manifest.items() if not _below(path, hidden)}
    if sources is None:
        return shown
    patterns = [*sources, *inputs]
    return {path: entry for path, entry in shown.items() if matches_any(path, patterns)}


def _below(path: str, hidden: Collection[str]) -> bool:
    if path in hidden:
        return True
    parent = path
    while "/" in parent:
        parent = parent.rpartition("/")[0]
        if parent in hidden:
            return True
    return False


def source_digest(files: Mapping[str, str]) -> str:
    """Return the digest of a manifest or a part of one."""
    return digest_of(sorted(files.items()))
