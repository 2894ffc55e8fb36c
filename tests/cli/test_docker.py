"""Steps in containers, as a user types the commands."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commandline import Computer, Project
from tests.containers import Engine, Registry

DOCKERFILE = "FROM {base}\nCOPY given /made\nRUN echo this is built; cat /made\n"
_numbers = itertools.count()


def unique(name: str) -> str:
    """Return a name that no other test has."""
    return f"{name}-{os.getpid()}-{next(_numbers)}"


def project_file(environment: dict[str, Any], step: dict[str, Any]) -> str:
    """Return a project with one step in one environment; YAML takes JSON."""
    return json.dumps({
        "runproj": 1,
        "environments": {"default": {"kind": "docker", **environment}},
        "entry_points": {"main": {"steps": {"one": step}}},
    })  # fmt: skip


def shell(script: str, **more: object) -> dict[str, Any]:
    """Return a step that runs a script in the shell of the image."""
    return {"command": ["sh", "-ec", script], **more}


def made(computer: Computer, environment: dict[str, Any], step: dict[str, Any]) -> Project:
    """Make a project with one step; a network is declared unless the test does it."""
    environment = {"network": "none", **environment}
    return computer.project({"runproj.yaml": project_file(environment, step)}, unique("project"))


def content(project: Project, output: str) -> str:
    """Return what the latest run made."""
    folder = project.computer.root / unique("got")
    project.run("get", "latest", output, "--to", str(folder)).ok()
    return (folder / output).read_text()


@pytest.fixture
def local(engine: Engine) -> str:
    """The name of an image that came from no registry."""
    name = f"{unique('runproj-test/local')}:1"
    engine.named(name, {"which": name})
    return name


def test_a_step_runs_as_its_caller_with_a_home_and_sees_nothing_else(
    computer: Computer, local: str
) -> None:
    script = (
        'id -u > id.txt; id -g >> id.txt; echo x > "$HOME/x"; echo y > "$TMPDIR/y"; '
        f"echo $GREETING >> id.txt; ls {computer.home} > /dev/null; "
        f"test ! -e {computer.root}/secret"
    )
    step = shell(script, outputs=["id.txt"], env={"GREETING": "grüße"})
    (computer.root / "secret").write_text("nobody's business")
    project = made(computer, {"image": local}, step)

    project.run("run", ".", "--keep-workspace", "--json").ok()

    assert content(project, "id.txt").split() == [str(os.getuid()), str(os.getgid()), "grüße"]
    shown = project.run("show", "latest", "--json").ok().step("one")
    files = list(Path(shown["workspace"]).rglob("*"))
    assert {file.lstat().st_uid for file in files} == {os.getuid()}


def test_a_run_in_a_container_is_cached_and_repeated(computer: Computer, local: str) -> None:
    project = made(computer, {"image": local}, shell("cat /which > o", outputs=["o"]))

    project.run("run", ".").ok()

    assert project.run("run", ".", "--json").ok().steps() == {"one": "cached"}
    assert project.run("rerun", "latest", "--json").ok().steps() == {"one": "succeeded"}
    assert project.run("verify", "latest", "--json").ok().json["verify"]["verdict"] == "identical"


def test_a_lock_holds_the_digest_whatever_becomes_of_the_tag(
    computer: Computer, registry: Registry
) -> None:
    name = registry.push(f"{unique('base')}:1", {"which": "first"})
    project = made(computer, {"image": name}, shell("cat /which > o", outputs=["o"]))
    project.run("lock").ok()
    lock = json.loads((project.folder / "locks/docker.default.json").read_text())
    assert lock["image"] == name
    assert lock["digest"].startswith("sha256:")

    registry.push(name.partition("/")[2], {"which": "second"})
    registry.engine.forget(lock["id"])
    project.run("run", ".", "--locked").ok()
    assert content(project, "o") == "first"

    said = project.run("lock", "--upgrade").ok().out
    assert lock["digest"] in said
    done = project.run("run", ".", "--json").ok()
    assert content(project, "o") == "second"
    assert done.step("one")["status"] == "succeeded"


def test_without_the_network_an_image_that_is_here_is_taken(
    computer: Computer, registry: Registry
) -> None:
    name = registry.push(f"{unique('base')}:1", {"which": "first"})
    project = made(computer, {"image": name}, shell("cat /which > o", outputs=["o"]))
    done = project.run("run", ".", "--offline").ok(4)
    assert f"the image {name} is not here: it would have to be pulled" in done.err
    assert "do it once without --offline" in done.err
    project.run("lock").ok()
    lock = json.loads((project.folder / "locks/docker.default.json").read_text())
    registry.push(name.partition("/")[2], {"which": "second"})
    repository, _, tag = name.rpartition(":")
    registry.engine.client.tag(lock["id"], repository, tag)  # what the name was here before

    project.run("lock", "--upgrade", "--offline").ok()  # the registry would say: second
    project.run("run", ".", "--offline", "--locked").ok()
    assert content(project, "o") == "first"
    assert json.loads((project.folder / "locks/docker.default.json").read_text()) == lock

    registry.engine.forget(lock["id"])
    done = project.run("run", ".", "--offline", "--frozen", "--force").ok(4)
    assert f"the image {name} is not here as it was locked" in done.err


def test_without_the_network_no_image_is_built(computer: Computer, local: str) -> None:
    project = made(
        computer, {"build": {"context": "docker"}}, shell("cat /made > o", outputs=["o"])
    )
    project.write({"docker/Dockerfile": DOCKERFILE.format(base=local), "docker/given": unique("x")})
    done = project.run("run", ".", "--offline").ok(4)
    assert "the image with this content is not here: it would have to be built" in done.err

    project.run("run", ".").ok()

    project.run("run", ".", "--offline", "--force").ok()


def test_an_image_that_is_gone_for_good_is_named(
    computer: Computer, engine: Engine, local: str
) -> None:
    project = made(computer, {"image": local}, shell("cat /which > o", outputs=["o"]))
    past = project.run("run", ".", "--json").ok().run["id"]
    engine.forget(local)
    engine.named(local, {"which": "something else"})

    done = project.run("run", ".", "--force").ok(4)
    assert f"the image {local} is not there as it was locked" in done.err
    assert "runproj lock --upgrade" in done.err
    done = project.run("rerun", past).ok(7)
    assert f"the image {local} is not there" in done.err
    verdict = project.run("verify", past, "--json").ok(7)
    assert verdict.json["verify"]["verdict"] == "cannot rerun"


def test_an_unknown_image_is_an_error_that_names_it(computer: Computer, registry: Registry) -> None:
    name = f"{registry.address}/nothing-of-this-name:1"
    project = made(computer, {"image": name}, shell("true"))

    done = project.run("run", ".").ok(4)

    assert f"the image {name} cannot be pulled" in done.err


def test_an_id_that_is_not_here_is_asked_of_no_registry(
    computer: Computer,
    engine: Engine,  # noqa: ARG001 -- it has to answer
) -> None:
    gone = f"sha256:{'0' * 64}"
    project = made(computer, {"image": gone}, shell("true"))
    done = project.run("run", ".").ok(4)
    assert f"the image {gone} is not here" in done.err
    assert "an id cannot be pulled" in done.err


def build_project(computer: Computer, base: str, name: str = "given") -> Project:
    """Make a project whose image is built from a folder of it."""
    build = {"build": {"context": "img", "args": {"A": "1"}}}
    project = made(computer, build, shell("cat /made > o", outputs=["o"]))
    project.write({
        "img/Dockerfile": DOCKERFILE.format(base=base), "img/given": name,
        "img/.dockerignore": "*.md\n!kept.md\n", "img/notes.md": "1", "train.py": "1",
    })  # fmt: skip
    return project


def test_an_image_is_built_from_the_source_and_again_when_that_changes(
    computer: Computer, local: str
) -> None:
    project = build_project(computer, local, unique("given"))

    first = project.run("run", ".").ok()
    assert "this is built" in first.err
    given = content(project, "o")

    project.write({"img/notes.md": "2", "train.py": "2"})
    done = project.run("run", ".", "--force").ok()
    assert "Step" not in done.err

    project.write({"img/given": f"{given} and more"})
    done = project.run("run", ".").ok()
    assert "this is built" in done.err
    assert content(project, "o") == f"{given} and more"


def test_a_built_image_that_is_gone_is_built_again_from_its_context(
    computer: Computer, engine: Engine, local: str
) -> None:
    project = build_project(computer, local, unique("given"))
    project.run("run", ".").ok()
    project.write({"img/given": "other"})
    image = project.run("env", "list", "--json").ok().json["environments"][0]
    engine.forget(image["id"])

    done = project.run("rerun", "latest").ok()

    assert "it is built again from its context" in done.err
    assert project.run("rerun", "latest").ok().err.count("Step") == 0


def test_a_build_that_fails_says_what_it_printed_and_leaves_nothing(
    computer: Computer, engine: Engine, local: str
) -> None:
    mark = unique("mark")
    project = build_project(computer, local)
    project.write({"img/Dockerfile": f"FROM {local}\nRUN echo {mark}; exit 3\n"})

    done = project.run("run", ".").ok(4)

    assert "the image cannot be built" in done.err
    assert "returned a non-zero code: 3" in done.err
    assert f"\n{mark}" in done.err
    assert mark not in engine.commands()


def test_a_dockerfile_that_is_missing_is_shown_at_its_place(computer: Computer) -> None:
    project = made(computer, {"build": {"context": "nowhere"}}, shell("true"))

    done = project.run("run", ".").ok(3)

    assert "there is no nowhere/Dockerfile in the project's source" in done.err
    assert "runproj.yaml:1:" in done.err


def room(project: Project, *options: str) -> list[dict[str, Any]]:
    """Return what 'gc' says of what takes room."""
    held: list[dict[str, Any]] = project.run("gc", "--json", *options).ok().json["gc"]["holdings"]
    return held


def test_images_are_built_listed_and_removed_by_env(
    computer: Computer, engine: Engine, local: str
) -> None:
    project = build_project(computer, local, unique("given"))

    ready = project.run("env", "build", "--json").ok().json["built"][0]
    listed = project.run("env", "list", "--json").ok().json["environments"][0]
    assert (ready["kind"], ready["key"]) == ("docker", listed["key"])
    assert listed["image"] in project.run("env", "list").ok().out

    (image,) = [one for one in room(project) if one["kind"] == "images"]
    assert (image["count"], image["size"], image["removed"]) == (1, listed["size"], 0)
    (image,) = [one for one in room(project, "--older-than", "0s") if one["kind"] == "images"]
    assert image["removed"] == 1
    assert not engine.client.images(name=listed["image"])
    ready = project.run("env", "build", "--json").ok().json["built"][0]

    project.run("env", "remove", ready["key"][:12]).ok()
    assert project.run("env", "list").ok().out == "no environments\n"
    assert not engine.client.images(name=listed["image"])


def test_volumes_can_be_written_only_where_that_is_said(computer: Computer, local: str) -> None:
    folder = computer.root / "data"
    folder.mkdir()
    (folder / "x").write_text("from outside")
    script = "cat /data/x > o; echo y > /data/y"
    reading = made(
        computer, {"image": local, "volumes": [f"{folder}:/data"]}, shell(script, outputs=["o"])
    )
    assert "Read-only file system" in reading.run("run", ".").ok(1).err
    writing = made(
        computer, {"image": local, "volumes": [f"{folder}:/data:rw"]}, shell(script, outputs=["o"])
    )
    writing.run("run", ".").ok()
    assert (folder / "y").stat().st_uid == os.getuid()
    assert content(writing, "o") == "from outside"


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"volumes": ["data:/data"]}, 3, "'data:/data' is not a volume"),
        ({"volumes": ["/no/such:/data"]}, 4, "the volume /no/such is not there"),
        ({"shm_size": "much"}, 3, "'much' is not a size"),
        ({"gpus": "all"}, 1, "could not select device driver"),
        ({"network": "no-such-network"}, 1, "network no-such-network not found"),
    ],
)
def test_what_a_container_cannot_have_is_said(
    computer: Computer, local: str, more: dict[str, Any], code: int, said: str
) -> None:
    project = made(computer, {"image": local, **more}, shell("true"))
    assert said in project.run("run", ".").ok(code).err


def test_a_hermetic_step_has_no_network(computer: Computer, local: str) -> None:
    script = "ls /sys/class/net > o"
    environment = {"image": local, "network": None, "shm_size": "8MB"}
    project = made(computer, environment, shell(script, outputs=["o"], hermetic=True))

    project.run("run", ".").ok()

    assert content(project, "o").split() == ["lo"]
    assert project.run("run", ".", "--json").ok().steps() == {"one": "cached"}


def test_a_step_in_a_container_cannot_be_traced(computer: Computer, local: str) -> None:
    project = made(computer, {"image": local}, shell("true"))

    done = project.run("run", ".", "--trace").ok(8)

    assert "the step 'one' cannot be traced: it runs in a container" in done.err


def test_repeats_of_a_step_in_a_container_are_judged(computer: Computer, local: str) -> None:
    step = shell("echo same > o; cat /proc/sys/kernel/random/uuid > p", outputs=["o", "p"])
    project = made(computer, {"image": local}, step)
    project.run("run", ".").ok()

    done = project.run("verify", "latest", "--times", "2").ok(6)

    assert "stable" in done.out


def test_without_an_engine_there_is_a_hint(computer: Computer) -> None:
    project = made(computer, {"image": "some/image:1"}, shell("true"))
    host = {"DOCKER_HOST": f"unix://{computer.root}/no.sock"}

    done = project.run("run", ".", env=host).ok(4)

    assert "there is no container engine" in done.err
    assert f"unix://{computer.root}/no.sock" in done.err
    assert "DOCKER_HOST" in done.err
    done = project.run("run", ".", env={"DOCKER_HOST": "gopher://x"}).ok(4)
    assert "the container engine does not answer" in done.err


def test_a_step_in_a_container_tells_of_itself(computer: Computer, local: str) -> None:
    script = (
        "runproj log metric loss=0.5 --step 3; runproj log tag 'team=ü \"x\"'; "
        "echo hi > a.txt; runproj log artifact a.txt; "
        'echo \'{"metric": "size", "value": 12}\' >> $RUNPROJ_EVENTS; '
        'test -f "$PYTHONPATH/runproj/__init__.py"; ! touch "$PYTHONPATH/x"'
    )
    project = made(computer, {"image": local}, shell(script, outputs=["a.txt"]))
    run = project.run("run", ".", "--json").ok().json["run"]
    assert run["metrics"] == {"one.loss": 0.5, "one.size": 12}
    assert run["tags"] == {"team": 'ü "x"'}
    assert [one["path"] for one in run["steps"][0]["tracked"]["artifacts"]] == ["a.txt"]
