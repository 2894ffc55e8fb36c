"""The process in which py-rattler runs; it knows nothing of runproj.

It reads a request from standard input and writes the answer, both JSON, to standard output::

    {"do": "solve", …}  →  {"done": …}  or  {"failed": "what rattler says", "kind": "…"}

A process that used rattler may crash while it ends
(https://github.com/PyO3/pyo3-async-runtimes/issues/40): so it never ends by itself, and its exit
code says nothing.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def _package(rattler: Any, data: dict[str, Any]) -> Any:  # noqa: ANN401 -- optional
    """Return what a channel tells of a package."""
    with tempfile.TemporaryDirectory(prefix="runproj-record-") as folder:
        place = Path(folder, "index.json")
        place.write_text(json.dumps(data), encoding="utf-8")
        return rattler.PackageRecord.from_index_json(
            place, data.get("size"), data.get("sha256"), data.get("md5")
        )


def _record(rattler: Any, data: dict[str, Any], url: str) -> Any:  # noqa: ANN401 -- optional
    """Return a record of a channel; ``url`` is where its archive is taken from."""
    known = _package(rattler, data)
    return rattler.RepoDataRecord(known, data["fn"], url, data.get("channel", ""))


def _sorted(rattler: Any, records: list[Any]) -> list[Any]:  # noqa: ANN401 -- optional
    """Return records each after those that it needs; equal sets in equal order."""
    by_name = {one.name.normalized: one for one in records}
    ordered = rattler.PackageRecord.sort_topologically([by_name[name] for name in sorted(by_name)])
    return [by_name[one.name.normalized] for one in ordered]


def _spec(rattler: Any, text: str) -> Any:  # noqa: ANN401 -- optional
    """Return a match spec; not strict, since what conda exports is not."""
    try:
        return rattler.MatchSpec(text, strict=False)
    except Exception as error:
        raise ValueError(f"{text!r} is no match spec: {error}") from error


async def _solve(request: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON
    import rattler  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 -- optional
    from rattler.networking import (  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 -- optional
        Client,
    )

    virtual = [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
        )
        for name, version, build in request["virtual_packages"]
    ]
    found = await rattler.solve(
        [rattler.Channel(one) for one in request["channels"]],
        [_spec(rattler, one) for one in request["dependencies"]],
        gateway=rattler.Gateway(cache_dir=request["cache"], client=Client.default_client()),
        platforms=[rattler.Subdir(request["platform"]), rattler.Subdir("noarch")],
        virtual_packages=virtual,
        locked_packages=[_record(rattler, one, one["url"]) for one in request["previous"]],
        channel_priority=rattler.ChannelPriority.Strict,
        channel_relations="disabled",
    )
    rattler.PackageRecord.validate(list(found))
    return {
        "solver": f"py-rattler {rattler.__version__}",
        "packages": [json.loads(one.to_json()) for one in _sorted(rattler, found)],
    }


async def _install(request: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON
    import rattler  # noqa: PLC0415 -- optional
    from rattler.shell import (  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 -- optional
        ActivationVariables,
        PathModificationBehavior,
        Shell,
        activate,
    )

    prefix = Path(request["prefix"])
    records = [
        _record(rattler, one, Path(place).as_uri())
        for one, place in zip(request["packages"], request["places"], strict=True)
    ]
    # The unpacked packages are this installation's own and go when it is done, so that a file of
    # the environment is no other's, and need not be copied.
    with tempfile.TemporaryDirectory(prefix="unpacked-", dir=prefix.parent) as unpacked:
        await rattler.install(
            records,
            prefix,
            package_cache=rattler.PackageCache.new_layered([Path(unpacked)]),
            show_progress=False,
            execute_link_scripts=False,
            platform=rattler.Subdir(request["platform"]),
        )
    # without a PATH to go on with, that of this process would be taken
    path = request["path"].split(":")
    variables = ActivationVariables(None, path, PathModificationBehavior.Prepend)
    activation = activate(prefix, variables, Shell.bash, rattler.Subdir(request["platform"]))
    return {"activation": activation.script}


def _pixi_lock(request: dict[str, Any]) -> str:
    """Return the text of a ``pixi.lock``."""
    import rattler  # noqa: PLC0415 -- optional

    virtual = [f"{name}={version}" for name, version in request["virtual_packages"].items()]
    made = rattler.LockFile([rattler.LockPlatform(request["platform"], virtual_packages=virtual)])
    made.set_channels("default", [rattler.LockChannel(one) for one in request["channels"]])
    for one in request["packages"]:
        record = _record(rattler, one, one["url"])
        made.add_conda_package("default", made.platforms()[0], record)
    with tempfile.TemporaryDirectory(prefix="runproj-pixi-") as folder:
        place = Path(folder, "pixi.lock")
        made.to_path(place)
        return place.read_text(encoding="utf-8")


async def _pixi(request: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON
    return _pixi_lock(request)


async def _missing(request: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON
    """Return what the machine lacks of what packages need, and what it has instead."""
    import rattler  # noqa: PLC0415 -- optional

    overrides = rattler.VirtualPackageOverrides.from_env()
    machine = {}
    for one in rattler.VirtualPackage.detect(overrides):
        generic = one.into_generic()
        machine[generic.name.normalized] = (str(generic.version), str(generic.build_string))
    missing = []
    for package, need in request["needs"]:
        name = need.split()[0].partition("=")[0].partition(">")[0].partition("<")[0]
        there = machine.get(name)
        if there is None or not _holds(rattler, need, name, *there):
            missing.append([package, need, None if there is None else there[0]])
    return missing


def _holds(rattler: Any, need: str, name: str, version: str, build: str) -> bool:  # noqa: ANN401 -- optional
    """Tell whether a match spec takes a virtual package."""
    data = {
        "name": name, "version": version, "build": build, "build_number": 0, "subdir": "noarch",
        "depends": [],
    }  # fmt: skip
    return bool(_spec(rattler, need).matches(_package(rattler, data)))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    verbs = {"solve": _solve, "install": _install, "missing": _missing, "pixi": _pixi}
    try:
        return {"done": asyncio.run(verbs[request.pop("do")](request))}
    except ImportError as error:
        return {"failed": str(error), "kind": "ImportError"}
    except BaseException as error:  # noqa: BLE001 -- a panic of rattler is no Exception
        return {"failed": str(error), "kind": type(error).__name__}


def main() -> None:
    """Answer one request."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what rattler prints is no answer
    data = json.dumps(_answer(json.load(sys.stdin))).encode()
    while data:
        data = data[os.write(answers, data) :]
    os._exit(0)


if __name__ == "__main__":
    main()
