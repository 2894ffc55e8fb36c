"""Packages at paths of the project, and what of them decides a lock and a key."""

from collections.abc import Mapping

import pytest

from runproj.errors import ProjectError
from runproj.lock import export, libraries, pylock
from runproj.lock.container import NO_CODE, Code
from runproj.lock.declaration import check_packages, declare, uses_code
from runproj.lock.libraries import Library
from runproj.lock.lock import Declaration
from runproj.model import digest_of
from runproj.spec.environment import (
    DockerEnvironment,
    Environment,
    SystemEnvironment,
    VenvEnvironment,
)
from runproj.spec.fields import validated
from runproj.spec.load import load

MINE = '[project]\nname = "mine"\nversion = "1"\ndependencies = ["numpy"]\n'
FILES = {"libs/mine/pyproject.toml": MINE, "libs/mine/mine.py": "x = 1\n"}


def venv(**fields: object) -> VenvEnvironment:
    return validated(VenvEnvironment, {"kind": "venv", **fields})


def code_of(files: Mapping[str, str]) -> Code:
    return Code("tree", "sub", {path: f"100644 {digest_of(text)}" for path, text in files.items()})


def declared(files: Mapping[str, str], **fields: object) -> Declaration:
    return declare(venv(**fields), files.get, code_of(files))


def only(declaration: Declaration) -> Library:
    [library] = libraries.parse(declaration.local).all
    return library


@pytest.mark.parametrize(
    ("requirement", "editable"),
    [
        ("./libs/mine", False),
        ("libs/mine", False),
        ("mine @ ./libs/mine", False),
        ("./libs/mine[x] ; python_version > '3'", False),
        ("-e ./libs/mine", True),
        ("-e libs/mine", True),
        ("--editable=libs/mine/", True),
        ("--editable ./libs/mine[x]", True),
    ],
)
@pytest.mark.parametrize("listed", [True, False], ids=["in packages", "in a file"])
def test_a_folder_of_the_project_is_a_requirement(
    requirement: str, *, editable: bool, listed: bool
) -> None:
    files = {**FILES, "needs/a.txt": requirement}
    fields = {"packages": requirement} if listed else {"requirements": "needs/a.txt"}

    found = declared(files, **fields)

    assert (only(found).path, only(found).editable) == ("libs/mine", editable)
    assert list(found.libraries) == ["libs/mine"]
    assert libraries.parse(found.local).place("libs/mine") == "sub/libs/mine"
    check_packages(found)


def test_code_changes_what_is_built_and_not_the_lock() -> None:
    old = declared(FILES, packages="./libs/mine")
    new = declared({**FILES, "libs/mine/mine.py": "x = 2\n"}, packages="./libs/mine")

    assert new.digest == old.digest
    assert only(new).digest != only(old).digest


@pytest.mark.parametrize(
    "text",
    [
        MINE.replace("numpy", "scipy"),
        MINE + '[build-system]\nrequires = ["hatchling"]\n',
        MINE + '[tool.uv.sources]\nnumpy = {git = "https://host/x"}\n',
    ],
)
def test_what_a_library_needs_decides_the_lock(text: str) -> None:
    old = declared(FILES, packages="./libs/mine")
    new = declared({**FILES, "libs/mine/pyproject.toml": text}, packages="./libs/mine")

    assert new.digest != old.digest


@pytest.mark.parametrize(
    "files",
    [
        {"libs/mine/setup.py": "setup()"},
        {"libs/mine/pyproject.toml": '[build-system]\nrequires = ["poetry-core"]\n'},
        {"libs/mine/pyproject.toml": '[project]\nname = "x"\ndynamic = ["dependencies"]\n'},
    ],
)
def test_all_of_a_library_decides_where_only_a_build_tells(files: dict[str, str]) -> None:
    old = declared({**files, "libs/mine/x.py": "1"}, packages="./libs/mine")
    new = declared({**files, "libs/mine/x.py": "2"}, packages="./libs/mine")

    assert new.digest != old.digest


def test_a_declaration_without_libraries_is_what_it_was() -> None:
    parts: dict[str, object] = {
        "kind": "venv", "python": None, "requirements": (), "packages": ("numpy",), "extras": (),
        "groups": (), "pyproject": False, "files": {},
    }  # fmt: skip

    assert declared({}, packages="numpy").digest == digest_of(parts)


def test_libraries_of_libraries_are_found() -> None:
    inner = MINE + '[tool.uv.sources]\nother = [{path = "../other", editable = true}]\n'
    files = {
        **FILES, "libs/mine/pyproject.toml": inner,
        "libs/other/pyproject.toml": MINE.replace("mine", "other"),
    }  # fmt: skip

    found = libraries.parse(declared(files, packages="./libs/mine").local)

    assert [one.path for one in found.built] == ["libs/mine"]
    assert [one.path for one in found.editable] == ["libs/other"]


def test_a_project_may_name_its_libraries_in_its_pyproject() -> None:
    text = '[project]\nname = "app"\nversion = "1"\ndependencies = ["mine"]\n[tool.uv.sources]\n'
    files = {**FILES, "pyproject.toml": text + 'mine = { path = "libs/mine" }\n'}

    assert only(declared(files, pyproject=True)).path == "libs/mine"
    assert uses_code(venv(pyproject=True), files.get)


@pytest.mark.parametrize(
    ("files", "requirement", "said"),
    [
        ({}, "./libs/mine", "there is no folder 'libs/mine' in the project's source"),
        ({"libs/mine/x.py": ""}, "./libs/mine", "neither pyproject.toml nor setup.py"),
        ({"libs/mine/pyproject.toml": "<<<"}, "./libs/mine", "not valid TOML"),
        ({"libs/mine/setup.py": "x"}, "-e ./libs/mine", "cannot be editable"),
        (
            {"libs/mine/pyproject.toml": MINE + '[tool.uv.sources]\nx = {path = "../../../x"}\n'},
            "./libs/mine", "'../x' is outside of the project",
        ),
    ],
)  # fmt: skip
def test_what_is_no_library_is_told_with_its_place(
    files: dict[str, str], requirement: str, said: str
) -> None:
    with pytest.raises(ProjectError, match=said) as raised:
        declared(files, packages=["numpy", requirement])

    assert raised.value.problems[0].where == "packages[1]"


WHEEL = "libs/x-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("requirement", "path"),
    [
        (f"./{WHEEL}", WHEEL),
        (f"x[more] @ ./{WHEEL} ; python_version > '3'", WHEEL),
        ("x.tar.gz", "x.tar.gz"),
    ],
)
def test_an_archive_of_the_project_is_a_requirement(requirement: str, path: str) -> None:
    old, new = (declared({path: text}, packages=requirement) for text in ("old", "new"))

    assert (only(old).path, only(old).is_archive) == (path, True)
    assert libraries.parse(old.local).built == ()
    assert old.digest != new.digest  # the lock has its sha256
    assert declare(venv(packages=requirement), dict[str, str]().get, NO_CODE).local
    check_packages(old)


@pytest.mark.parametrize(
    ("mode", "requirement", "said"),
    [
        ("100644", "./gone.whl", "there is no file 'gone.whl' in the project's source"),
        ("120000", f"./{WHEEL}", "is a link, not an archive"),
        ("100644", f"-e ./{WHEEL}", "cannot be editable: it is an archive"),
    ],
)
def test_what_is_no_archive_is_told_with_its_place(mode: str, requirement: str, said: str) -> None:
    code = Code("tree", "", {WHEEL: f"{mode} 0123"})

    with pytest.raises(ProjectError, match=said) as raised:
        declare(venv(packages=["numpy", requirement]), dict[str, str]().get, code)

    assert raised.value.problems[0].where == "packages[1]"
    assert raised.value.problems[0].hint


def test_a_library_is_editable_or_not() -> None:
    with pytest.raises(ProjectError, match="is wanted as editable, and not so elsewhere"):
        declared(FILES, packages=["./libs/mine", "./libs/mine", "-e ./libs/mine"])


def test_without_a_snapshot_mistakes_are_found_and_no_content_is_known() -> None:
    environment = venv(packages="./libs/mine")

    assert declare(environment, FILES.get, NO_CODE).libraries == (
        declared(FILES, packages="./libs/mine").libraries
    )
    with pytest.raises(ProjectError, match="neither"):
        declare(environment, dict[str, str]().get, NO_CODE)


@pytest.mark.parametrize(
    ("environment", "uses"),
    [
        (venv(packages="numpy"), False),
        (venv(packages="./libs/mine"), True),
        (venv(pyproject=True), False),
        (SystemEnvironment(kind="system"), False),
        (validated(DockerEnvironment, {"kind": "docker", "image": "x"}), False),
        (validated(DockerEnvironment, {"kind": "docker", "build": {}}), True),
    ],
)
def test_it_is_known_which_environments_need_the_code(
    environment: Environment, *, uses: bool
) -> None:
    assert uses_code(environment, dict[str, str]().get) == uses


def test_a_requirements_file_for_other_tools_names_the_folder() -> None:
    lock = 'lock-version = "1.0"\n[[packages]]\nname = "mine"\ndirectory = { path = "../libs/mine"'

    assert export.requirements(f"{lock} }}\n") == "./libs/mine\n"
    assert export.requirements(f"{lock}, editable = true }}\n") == "-e ./libs/mine\n"
    archive = lock.replace("directory", "archive").replace("libs/mine", WHEEL)
    assert export.requirements(f"{archive} }}\n") == f"./{WHEEL}\n"


# Constraints, packages without wheels, platforms


def test_constraints_are_files_or_written_there() -> None:
    files = {"limits.txt": "numpy<2\n-c more.txt\n", "more.txt": "scipy<2\n"}

    found = declared(files, packages="numpy", constraints=["limits.txt", "pandas<3"])

    assert set(found.files) == {"limits.txt", "more.txt"}
    assert found.digest != declared(files, packages="numpy").digest
    check_packages(found)


def test_mistakes_in_constraints_are_told_with_their_place() -> None:
    with pytest.raises(ProjectError, match="no requirement file 'numpy'") as raised:
        declared({}, constraints="numpy")
    assert raised.value.problems[0].where == "constraints"
    with pytest.raises(ProjectError, match="is no requirement") as raised:
        check_packages(declared({}, constraints=["numpy<2", "numpy<<2"]))
    assert raised.value.problems[0].where == "constraints[1]"


def test_names_and_platforms_are_told_in_one_way() -> None:
    one = declared({}, no_binary=["Scikit_Learn", "numpy"], platforms=["windows", "linux"])
    other = declared({}, no_binary=["numpy", "scikit-learn"], platforms=["linux", "windows"])

    assert one == other
    assert one.digest != declared({}).digest


def test_a_lock_of_uv_serves_only_when_nothing_more_is_wanted() -> None:
    files = {"pyproject.toml": '[project]\nname = "x"\nversion = "1"\n', "uv.lock": "version = 1"}

    assert "uv.lock" in declared(files, pyproject=True).files
    for more in ({"constraints": "a<2"}, {"no_binary": "a"}, {"platforms": ["linux"]}):
        assert "uv.lock" not in declared(files, pyproject=True, **more).files


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(ProjectError, match="is not the name of a package"):
        load_text("{kind: venv, no_binary: ['numpy<2']}")


def load_text(environment: str) -> None:
    text = f"runproj: 1\nenvironments: {{default: {environment}}}\n"
    load(text + "entry_points: {main: {command: ls}}\n", "runproj.yaml")


def test_no_libraries_are_none() -> None:
    found = libraries.parse(None)

    assert (found.all, found.paths, found.built, found.editable) == ((), (), (), ())
    assert libraries.parse(declared(FILES, packages="./libs/mine").local).paths == ("libs/mine",)


def test_a_lock_for_platforms_has_what_one_of_them_gets() -> None:
    lock = (
        'lock-version = "1.0"\nrequires-python = ">=3.11"\n\n[[packages]]\nname = "a"\n\n'
        '[[packages]]\nname = "b"\nmarker = "on b"\n\n[[packages]]\nname = "c"\nmarker = "on c"\n'
    )

    made = pylock.for_platforms(lock, ["one", "two"], lambda marker: marker == "on b")

    assert 'requires-python = ">=3.11"\nenvironments = ["one", "two"]\n\n[[packages]]' in made
    assert list(pylock.packages(made)) == ["a", "b"]
    assert 'marker = "on b"' in made
