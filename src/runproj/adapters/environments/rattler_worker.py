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


def _bare(rattler: Any, specs: list[Any]) -> list[Any]:  # noqa: ANN401 -- optional
    """Return specs of the names alone, of those that name no channel.

    Beside the specs themselves, they let the solver see all of a package: of a declared one,
    rattler shows it only what the spec takes, so that a channel without such a version would
    count as one without the package, and a weaker one would give it.
    """
    of_one = {one.name.normalized for one in specs if one.channel is not None}
    names = {one.name.normalized for one in specs} - of_one
    return [rattler.MatchSpec(name) for name in sorted(names)]


async def _pinned(
    rattler: Any,  # noqa: ANN401 -- optional
    gateway: Any,  # noqa: ANN401 -- optional
    request: dict[str, Any],
    specs: list[Any],
) -> list[Any]:
    """Return the records that were locked before, but those that a stronger channel has, too.

    The solver takes what was locked from wherever it came.
    """
    channels = [rattler.Channel(one) for one in request["channels"]]
    of_one = {one.name.normalized for one in specs if one.channel is not None}
    weaker = {one.base_url for one in channels[1:]}
    doubtful = {
        one["name"]
        for one in request["previous"]
        if one["name"] not in of_one and one.get("channel") in weaker
    }
    first: dict[str, str] = {}
    if doubtful:
        platforms = [rattler.Subdir(request["platform"]), rattler.Subdir("noarch")]
        found = await gateway.query(
            channels, platforms, sorted(doubtful), recursive=False, channel_relations="disabled"
        )
        for records in found:  # of each channel in turn
            for one in records:
                first.setdefault(one.name.normalized, one.channel)
    return [
        _record(rattler, one, one["url"])
        for one in request["previous"]
        # what no channel has any more stays, too
        if one["name"] not in doubtful or first.get(one["name"], one["channel"]) == one["channel"]
    ]


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
    specs = [_spec(rattler, one) for one in request["dependencies"]]
    gateway = rattler.Gateway(cache_dir=request["cache"], client=Client.default_client())
    found = await rattler.solve(
        [rattler.Channel(one) for one in request["channels"]],
        [*specs, *_bare(rattler, specs)],
        gateway=gateway,
        platforms=[rattler.Subdir(request["platform"]), rattler.Subdir("noarch")],
        virtual_packages=virtual,
        locked_packages=await _pinned(rattler, gateway, request, specs),
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
    # the environment is no other's, and need not be copied. When it fails, threads may still write
    # there: that must not hide why, and goes with the environment that is half built.
    with tempfile.TemporaryDirectory(
        prefix="unpacked-", dir=prefix.parent, ignore_cleanup_errors=True
    ) as unpacked:
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


async def _foreign(request: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON
    """Return what the lock of another tool has for a platform."""
    import rattler  # noqa: PLC0415 -- optional

    environment: Any = rattler.LockFile.from_path(Path(request["path"])).default_environment()
    platforms = {} if environment is None else {one.name: one for one in environment.platforms()}
    here = platforms.get(request["platform"])
    packages, wheels = [], []
    if here is not None:
        for record in environment.conda_repodata_records_for_platform(here) or ():
            known = json.loads(record.to_json())
            packages.append([known["url"], known.get("md5") or "", known.get("sha256") or ""])
        for one in environment.pypi_packages_for_platform(here) or ():
            digest = one.hashes.sha256 if one.hashes is not None else None
            wheels.append([one.name, str(one.version), one.location, (digest or b"").hex()])
    return {"platforms": sorted(platforms), "packages": packages, "wheels": wheels}


async def _describe(request: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON
    """Return the records of archives, and what does not fit the declaration."""
    import rattler  # noqa: PLC0415 -- optional

    channels = [rattler.Channel(one).base_url for one in request["channels"]]
    known, problems = [], []
    for place, (url, file, md5, sha256) in zip(request["places"], request["packages"], strict=True):
        found = json.loads((await rattler.RepoDataRecord.from_package_archive(place)).to_json())
        channel = next((one for one in channels if url.startswith(one)), None)
        if channel is None:
            problems.append(f"{file} comes from no channel that is declared: {url}")
        if found["subdir"] not in (request["platform"], "noarch"):
            problems.append(f"{file} is for {found['subdir']}")
        digests = {"sha256": sha256, **({"md5": md5} if md5 else {})}
        known.append({**found, **digests, "url": url, "fn": file, "channel": channel or url})
    records = [_record(rattler, one, one["url"]) for one in known]
    names = [one["name"] for one in known]
    twice = sorted({one for one in names if names.count(one) > 1})
    problems += [f"it has {name} more than once" for name in twice]
    problems += _unmet(rattler, request, known, records)
    try:
        rattler.PackageRecord.validate(list(records))
    except Exception as error:  # noqa: BLE001 -- the library's own
        problems.append(str(error))
    if not problems:
        records = _sorted(rattler, records)
    return {"packages": [json.loads(one.to_json()) for one in records], "problems": problems}


def _unmet(
    rattler: Any,  # noqa: ANN401 -- optional
    request: dict[str, Any],
    known: list[dict[str, Any]],
    records: list[Any],
) -> list[str]:
    """Return what is declared and not met, and what is needed of the machine and not declared."""
    problems = []
    for text in request["dependencies"]:
        spec = _spec(rattler, text)
        below = "" if spec.channel is None else spec.channel.base_url
        fitting = [one for one in records if spec.matches(one) and one.url.startswith(below)]
        if not fitting:
            problems.append(f"the dependency {text!r} is not met by any package")
    virtual = {name: (name, version, build) for name, version, build in request["virtual_packages"]}
    for one in known:
        for need in one.get("depends", ()):
            name = _name_of(need)
            if name.startswith("__") and not (
                name in virtual and _holds(rattler, need, *virtual[name])
            ):
                problems.append(f"{one['name']} needs {need}: declare it in virtual_packages")
    return problems


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
        name = _name_of(need)
        there = machine.get(name)
        if there is None or not _holds(rattler, need, name, *there):
            missing.append([package, need, None if there is None else there[0]])
    return missing


def _name_of(need: str) -> str:
    """Return the name in a match spec."""
    return need.split(maxsplit=1)[0].partition("=")[0].partition(">")[0].partition("<")[0]


def _holds(rattler: Any, need: str, name: str, version: str, build: str) -> bool:  # noqa: ANN401 -- optional
    """Tell whether a match spec takes a virtual package."""
    data = {
        "name": name, "version": version, "build": build, "build_number": 0, "subdir": "noarch",
        "depends": [],
    }  # fmt: skip
    return bool(_spec(rattler, need).matches(_package(rattler, data)))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    verbs = {
        "solve": _solve, "install": _install, "missing": _missing, "pixi": _pixi,
        "foreign": _foreign, "describe": _describe,
    }  # fmt: skip
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
