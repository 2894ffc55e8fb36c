"""Lockfiles for other tools: a requirements file with hashes, and a bill of materials.

The formats are https://pip.pypa.io/en/stable/reference/requirements-file-format/ and
https://cyclonedx.org/docs/1.6/json/, package URLs https://github.com/package-url/purl-spec.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from runproj.lock import pylock
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
    components = [_component(package) for package in pylock.tables(content)]
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
            hashes = [{"alg": "SHA-256", "content": sha256}] if sha256 else []
            found: dict[str, Any] = {"type": "distribution", "url": place}
            yield {**found, "hashes": hashes} if hashes else found
