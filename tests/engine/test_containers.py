"""Steps in containers, as the engine sees them."""

from collections.abc import Mapping

import pytest
from tests.engine.world import FakeBackend, FakePrepared, Process, World, told, writes

from runproj.engine.lock import LockChange, check_lock, lock_environment
from runproj.engine.perturbation import Machine, perturbations, spared
from runproj.engine.pin import check_lockfiles
from runproj.engine.resources import Capacity
from runproj.engine.run import ended
from runproj.errors import ProjectError, Refused
from runproj.lock.container import Code, build_of
from runproj.lock.declaration import declare
from runproj.lock.image import ImageLock
from runproj.lock.lock import Declaration, Lock
from runproj.ports import Container, Execution, Say, Volume
from runproj.record.outcome import Outcome
from runproj.spec.environment import DockerBuild, DockerEnvironment, Environment, VenvEnvironment

YAML = """
    runproj: 1
    environments:
      default: {kind: docker, image: "a:1", network: some}
    entry_points:
      main: {command: [go], outputs: [m]}
"""
SHAPE = Container("sha256:1", volumes=(Volume("/data", "/data"),), network="some")
LOCKFILE = "locks/docker.default.json"


class Prepared(FakePrepared):
    """An environment whose processes run in a container."""

    container = SHAPE

    def variables(self, project_folder: str) -> Mapping[str, str]:
        return {**super().variables(project_folder), "LANG": "of the image"}


class Images(FakeBackend):
    """Locks images to what they are called."""

    digest = "sha256:1"

    def lock_of(self, declaration: Declaration) -> Lock:
        made = ImageLock(declaration.digest, "a:1", self.digest, "sha256:9")
        return Lock(kind="docker", content=made.text, declaration=declaration.digest)

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> FakePrepared:
        return Prepared(super().prepare(declaration, lock, say).key)


@pytest.fixture
def w() -> World:
    world = World(YAML, {"main": writes(m="m")}, {"img/Dockerfile": b"FROM a"})
    world.backends["docker"] = Images("docker")
    return world


def executed(w: World, *, hermetic: bool = False, force: bool = False) -> Execution:
    """Execute the step; return what the executor was asked for."""
    seen: list[Execution] = []

    def program(process: Process) -> None:
        seen.append(process.execution)
        process.write("m", "m")

    w.programs = {"main": program}
    run = w.execute(w.prepare(hermetic=hermetic, force=force))
    assert run.status == "succeeded"
    return seen[0]


def test_a_step_gets_a_container_with_its_workspace_and_a_home_in_it(w: World) -> None:
    w.caller = {"HOME": "/home/user", "SSL_CERT_FILE": "/etc/x", "TERM": "xterm"}
    execution = executed(w)
    container, variables = execution.container, execution.variables
    assert container is not None
    root, temporary = container.folders
    client = Volume("/workspaces/client", "/workspaces/client")
    assert container == SHAPE._replace(folders=(root, temporary), volumes=(*SHAPE.volumes, client))
    assert execution.directory.startswith(root)
    assert variables["HOME"] == variables["TMPDIR"] == temporary
    assert (variables["LANG"], variables["TERM"]) == ("of the image", "xterm")
    assert "SSL_CERT_FILE" not in variables


def test_a_hermetic_step_has_no_network_and_needs_no_tracer(w: World) -> None:
    execution = executed(w, hermetic=True)
    assert execution.container is not None
    assert execution.container.network == "none"
    assert execution.trace is None
    assert execution.confinement.readable is None
    assert told(w.prepare(hermetic=True)) == {"main": "cached: unchanged since r1"}


def test_network_can_be_granted_to_a_hermetic_step_and_taken_from_others(w: World) -> None:
    w.yaml = YAML.replace("outputs: [m]", "outputs: [m], hermetic: true, network: true")
    granted = executed(w).container
    w.yaml = YAML.replace("outputs: [m]", "outputs: [m], network: false")
    taken = executed(w, force=True).container
    assert granted is not None
    assert taken is not None
    assert (granted.network, taken.network) == ("some", "none")


def test_a_step_in_a_container_cannot_be_traced(w: World) -> None:
    with pytest.raises(Refused, match="the step 'main' cannot be traced"):
        w.execute(w.prepare(trace=True))


def test_what_belongs_to_this_machine_is_not_perturbed_in_a_container(w: World) -> None:
    run = w.run()
    machine = Machine(locale="de_DE.UTF-8", cpus=2, faketime="/lib/faketime.so")
    seen: list[Mapping[str, str]] = []

    def program(process: Process) -> None:
        seen.append(process.execution.variables)
        process.write("m", "m")

    w.programs = {"main": program}
    w.rerun(run, trial=perturbations(machine))
    assert seen[0]["PYTHONHASHSEED"] != "0"
    assert "LD_PRELOAD" not in seen[0]
    assert seen[0]["LANG"] == "of the image"
    said = "clock and locale of main: a container has neither of this machine"
    assert spared(run.plan) == (said,)
    assert spared(run.plan.replace(environments=())) == ()


def test_an_image_is_built_from_the_code_of_the_run_without_what_is_declared(w: World) -> None:
    w.yaml = YAML.replace('image: "a:1"', "build: {context: .}")
    w.source |= {"Dockerfile": b"FROM a", LOCKFILE: b"{}"}
    pinned = w.prepare().pinned["default"]
    build = build_of(pinned.declaration)
    assert build is not None
    assert set(build.paths) == {"Dockerfile", "img/Dockerfile"}
    assert build.tree == w.prepare().snapshot.tree
    assert set(w.preparer().code().files) == set(build.paths)


def test_a_dockerfile_that_is_missing_is_shown_in_the_project_file(w: World) -> None:
    w.yaml = YAML.replace('image: "a:1"', "build: {context: nowhere}")
    with pytest.raises(
        ProjectError, match=r"environments\.default\.build: there is no nowhere/"
    ) as e:
        w.prepare()
    assert (e.value.problems[0].where or "").startswith("runproj.yaml:")


def test_a_run_with_the_code_of_today_keeps_its_image(w: World) -> None:
    run = w.run()
    w.source["train.py"] = b"2"
    assert w.today(run).pinned["default"].lock == w.prepare().pinned["default"].lock


IMAGE = DockerEnvironment(kind="docker", image="a:1")
BUILT = DockerEnvironment(kind="docker", build=DockerBuild(context="img"))
CODE = Code("tree", "", {"img/Dockerfile": "100644 d"})


def locked(files: dict[str, str], environment: DockerEnvironment, upgrade: list[str] | None,
           backend: Images) -> LockChange:  # fmt: skip
    change = lock_environment(
        "default", environment, files.get, {"docker": backend}, upgrade, print, CODE
    )
    files[LOCKFILE] = change.content
    return change


@pytest.mark.parametrize("environment", [IMAGE, BUILT], ids=["image", "build"])
def test_the_lock_of_an_image_stays_until_it_is_upgraded(environment: DockerEnvironment) -> None:
    files: dict[str, str] = {}
    backend = Images("docker")
    assert locked(files, environment, [], backend).state == "missing"
    backend.digest = "sha256:2"

    assert locked(files, environment, [], backend).packages == ()
    assert locked(files, environment, ["numpy"], backend).packages == ()
    change = locked(files, environment, None, backend)

    assert change.packages == (("a:1", "sha256:1", "sha256:2"),)
    assert check_lock("default", environment, files.get, {}, CODE).state == "current"
    files[LOCKFILE] = "damaged"
    assert check_lock("default", environment, files.get, {}, CODE).state == "damaged"


def test_a_stale_lock_of_an_image_is_handed_on() -> None:
    backend = Images("docker")
    files = {LOCKFILE: ImageLock("of another", "b:1", None, "sha256:7").text}
    assert locked(files, IMAGE, [], backend).state == "stale"
    assert [one and one.kind for one in backend.previous] == ["docker"]


def test_lockfiles_of_images_are_checked_with_all_others() -> None:
    environments: dict[str, Environment] = {
        "default": IMAGE, "built": BUILT, "v": VenvEnvironment(kind="venv"),
    }  # fmt: skip

    def check(files: dict[str, str]) -> list[str]:
        problems = check_lockfiles(environments, files.get, lambda *_: pytest.fail("no place"))
        return [problem.message for problem in problems]

    fits = ImageLock(declare(IMAGE, lambda _: None).digest, "a:1", None, "sha256:1")
    assert check({LOCKFILE: fits.text}) == []
    (stale,) = check({LOCKFILE: fits._replace(declaration="other").text})
    assert "does not fit what is declared" in stale
    (damaged,) = check({LOCKFILE: "{"})
    assert "the lock of an image is damaged" in damaged


def test_running_out_of_memory_is_said_in_words() -> None:
    outcome = Outcome(signal="SIGKILL", out_of_memory=True)
    assert ended(outcome, None) == "it was ended by the system: it used more memory than it may"


def test_what_a_step_needs_limits_its_container(w: World) -> None:
    needs = "resources: {cpus: 1.5, memory: 4GB, gpus: 1}"
    w.yaml = YAML.replace("outputs: [m]", f"outputs: [m], {needs}")
    w.programs = {"main": writes(m="m")}
    w.execute(w.prepare(), capacity=Capacity(2, {"gpus": 2}, ("0", "1")))
    [execution] = w.executor.started
    container = execution.container
    assert container is not None
    limits = (container.cores, container.memory, container.devices)
    assert limits == (1.5, 4_000_000_000, ("0",))
    assert "CUDA_VISIBLE_DEVICES" not in execution.variables
