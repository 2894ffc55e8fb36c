"""Lockfiles for other tools: a requirements file with hashes, and a bill of materials.

The formats are https://pip.pypa.io/en/stable/reference/requirements-file-format/ and
https://cyclonedx.org/docs/1.6/json/, package URLs https://github.com/package-url/purl-spec.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runproj.lock import conda, pylock
from runproj.lock.conda import Wheel
from runproj.lock.pyproject import normalized

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def requirements(content: str) -> str:
    """Return a lockfile as a requirements file, to be installed with ``--require-hashes``.

    Raises:
        EnvironmentFailed: the text is no lockfile.
    """
    lines: list[str] = []
    for package in pylock.tables(content):
        marker = f" ; {package['marker']}" if "marker" in package else ""
        hashes = [f"    --hash={digest}" for digest in sorted(set(pylock.digests(package)))]
        lines.append(" \\\n".join([f"{_requirement(package)}{marker}", *hashes]))
    return "\n".join([*lines, ""])


def _requirement(package: Mapping[str, Any]) -> str:
    name = normalized(package["name"])
    folder = pylock.folder_of(package)
    if folder is not None:
        return f"{'-e ' if package['directory'].get('editable') else ''}./{folder}"
    if "vcs" in package:
        vcs = package["vcs"]
        below = f"#subdirectory={vcs['subdirectory']}" if "subdirectory" in vcs else ""
        place = vcs.get("url") or vcs.get("path", "")
        return f"{name} @ {vcs.get('type', 'git')}+{place}@{vcs.get('commit-id', '')}{below}"
    file = pylock.archive_of(package)
    if file is not None:
        return f"./{file}"
    if "version" in package:
        return f"{name}=={package['version']}"
    archive = package.get("archive") or package.get("directory") or {}
    return f"{name} @ {archive.get('url') or archive.get('path', '')}"


def cyclonedx(content: str, project: str) -> str:
    """Return a lockfile as a CycloneDX 1.6 document: every package with where its files are.

    It holds no time and no random number: equal locks give equal bytes.

    Args:
        content: the lockfile.
        project: the name of what the packages are for.

    Raises:
        EnvironmentFailed: the text is no lockfile.
    """
    return _bill([_component(package) for package in pylock.tables(content)], project)


def conda_cyclonedx(content: str, project: str) -> str:
    """Return the lockfile of a conda environment as :func:`cyclonedx` does that of a venv.

    Raises:
        EnvironmentFailed: the text is no lockfile.
    """
    lock = conda.read(content)
    components = [_conda_component(record) for record in lock.packages]
    return _bill([*components, *map(_wheel_component, lock.pip)], project)


def _bill(components: Sequence[Mapping[str, Any]], project: str) -> str:
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": "project", "name": project},
            "tools": {"components": [{"type": "application", "name": "runproj"}]},
        },
        "components": components,
        "dependencies": [
            {"ref": "project", "dependsOn": sorted({one["bom-ref"] for one in components})}
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _component(package: Mapping[str, Any]) -> dict[str, Any]:
    name = normalized(package["name"])
    version = pylock.version_of(package)
    reference = f"pkg:pypi/{name}@{version}"
    commit = pylock.repository(package)
    if commit is not None:
        reference += f"?vcs_url={_quoted(f'git+{commit.url}@{commit.commit}')}"
    shown: dict[str, Any] = {
        "type": "library", "bom-ref": _distinct(reference, package), "name": name,
        "version": version, "purl": reference,
    }  # fmt: skip
    files = list(_files(package))
    return {**shown, "externalReferences": files} if files else shown


def _conda_component(record: Mapping[str, Any]) -> dict[str, Any]:
    subdir = record.get("subdir") or record["url"].rpartition("/")[0].rpartition("/")[2]
    channel = record["url"].rpartition("/")[0].removesuffix(f"/{subdir}").rpartition("/")[2]
    kind = "tar.bz2" if record["fn"].endswith(".tar.bz2") else "conda"
    known = {"build": record["build"], "channel": channel, "subdir": subdir, "type": kind}
    facts = "&".join(f"{name}={_quoted(text)}" for name, text in known.items())
    name, version = record["name"], record["version"]
    reference = f"pkg:conda/{_quoted(name)}@{_quoted(version)}?{facts}"
    return {
        "type": "library", "bom-ref": reference, "name": name, "version": version,
        "purl": reference, "externalReferences": [_distribution(record["url"], record["sha256"])],
    }  # fmt: skip


def _wheel_component(wheel: Wheel) -> dict[str, Any]:
    reference = f"pkg:pypi/{normalized(wheel.name)}@{wheel.version}"
    return {
        "type": "library", "bom-ref": reference, "name": wheel.name, "version": wheel.version,
        "purl": reference, "externalReferences": [_distribution(wheel.url, wheel.sha256)],
    }  # fmt: skip


def _distribution(place: str, sha256: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "distribution", "url": place}
    return {**found, "hashes": [{"alg": "SHA-256", "content": sha256}]} if sha256 else found


def _quoted(text: str) -> str:
    """Return a text as it stands in a URL (RFC 3986).

    >>> _quoted("git+https://host/ü")
    'git%2Bhttps%3A%2F%2Fhost%2F%C3%BC'
    """
    kept = frozenset(b"-._~0123456789" + _LETTERS + _LETTERS.lower())
    return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in text.encode())


def _distinct(reference: str, package: Mapping[str, Any]) -> str:
    """Return a name within the document: a version may stand there once for each platform."""
    return f"{reference}#{package['marker']}" if "marker" in package else reference


def _files(package: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for file in pylock.files(package):
        sha256 = file.get("hashes", {}).get("sha256")
        place = file.get("url") or file.get("path")
        if place is not None:
            yield _distribution(place, sha256)
