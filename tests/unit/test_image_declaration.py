"""What is declared of an image and its containers, and the lock of an image."""

import pytest

from runproj.errors import EnvironmentFailed, ProjectError
from runproj.lock import dockerignore, image
from runproj.lock.container import Build, Code, Shape, build_of, image_of, shape_of
from runproj.lock.declaration import declare
from runproj.lock.formats import format_of
from runproj.lock.image import ImageLock, parse
from runproj.lock.lock import Declaration
from runproj.model import digest_of
from runproj.spec.environment import DockerEnvironment
from runproj.spec.fields import validated

FILES = {
    "Dockerfile": "100644 d", "train.py": "100644 t", "img/Dockerfile": "100644 e",
    "img/x": "100644 x", "img/y.md": "100644 y", "img/.dockerignore": "100644 i",
    "img/sub": "160000 s",
}  # fmt: skip
IGNORE = {"img/.dockerignore": "*.md\nDockerfile\n.dockerignore\n"}


def docker(**fields: object) -> DockerEnvironment:
    return validated(DockerEnvironment, {"kind": "docker", **fields})


def declared(
    files: dict[str, str] | None = None, texts: dict[str, str] | None = None, **fields: object
) -> Declaration:
    code = Code("tree", "in/it", FILES if files is None else files)
    return declare(docker(**fields), (IGNORE if texts is None else texts).get, code)


def test_an_image_is_declared_by_name_and_has_no_build() -> None:
    found = declared(image="a:1")
    assert image_of(found) == "a:1"
    assert build_of(found) is None
    assert shape_of(found) == Shape()


def test_how_containers_are_made_is_declared_but_of_no_lock() -> None:
    found = declared(
        image="a:1", gpus="all", network="none", shm_size="2GiB", volumes=["/a/:/b", "/c:/d:rw"]
    )
    assert found.digest == declared(image="a:1").digest
    assert found.digest != declared(image="a:2").digest
    volumes = (("/a", "/b", False), ("/c", "/d", True))
    assert shape_of(found) == Shape("none", "all", 2 * 1024**3, volumes)


def test_a_venv_has_the_digest_that_it_had_before_there_were_images() -> None:
    old: dict[str, object] = {
        "kind": "venv", "python": None, "requirements": (), "packages": (), "extras": (),
        "groups": (), "pyproject": False, "files": {},
    }  # fmt: skip
    assert Declaration(kind="venv").digest == digest_of(old)
    assert image_of(Declaration(kind="venv")) is None
    assert shape_of(Declaration(kind="venv")) == Shape()


@pytest.mark.parametrize(
    ("text", "size"), [("8MB", 8_000_000), ("1.5g", 1_500_000_000), ("64 KiB", 65536), ("7", 7)]
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert shape_of(declared(image="a", shm_size=text)).shm_size == size


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ProjectError) as raised:
        declared(image="a", shm_size="much", volumes=["/a:/b", "a:/b", "/a:b", "/a:/b:rx"])
    places = [problem.where for problem in raised.value.problems]
    assert places == ["shm_size", "volumes[1]", "volumes[2]", "volumes[3]"]


def test_a_build_has_the_files_of_its_context_that_are_not_ignored() -> None:
    found = build_of(declared(build={"context": "img", "args": {"A": "1"}, "target": "t"}))
    assert found is not None
    assert found._replace(content="") == Build(
        "", "tree", "in/it/img", (".dockerignore", "Dockerfile", "x"), "Dockerfile", {"A": "1"}, "t"
    )


def test_the_whole_project_can_be_the_context() -> None:
    found = build_of(declared(build={}))
    assert found is not None
    assert (found.folder, len(found.paths)) == ("in/it", 6)


def test_what_is_in_the_context_decides_the_build_and_nothing_else() -> None:
    def content(**changes: str) -> str:
        files = {**FILES, **{name.replace("_", "/"): text for name, text in changes.items()}}
        return declared(files, build={"context": "img"}).digest

    assert content() == content(train="x") == content(**{"img_y.md": "100644 other"})
    assert content() != content(img_x="100755 x")
    assert content() != declared(build={"context": "img", "args": {"A": "1"}}).digest
    assert content() != declared(build={"context": "img", "target": "t"}).digest


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ({"context": "../up"}, "are in the project's folder"),
        ({"context": "/abs"}, "are in the project's folder"),
        ({"dockerfile": "../Dockerfile"}, "are in the project's folder"),
        ({"dockerfile": "Other"}, "there is no Other in the project's source"),
        ({"context": "img", "dockerfile": "sub"}, "there is no img/sub in the project's source"),
    ],
)
def test_a_build_that_cannot_be_is_said_to_be(build: dict[str, str], said: str) -> None:
    with pytest.raises(ProjectError, match=said) as raised:
        declared(build=build)
    assert raised.value.problems[0].where == "build"


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("", ""),
        ("# a\n\n  \n", ""),
        ("a", "a a/b a/c.py"),
        ("/a/", "a a/b a/c.py"),
        ("./a/b", "a/b"),
        ("*.py", "d.py"),
        ("**/*.py", "a/c.py d.py"),
        ("**/c.py", "a/c.py"),
        ("a/**", "a/b a/c.py"),
        ("**\n!d.py", "a a/b a/c.py e?"),
        ("a\n!a/b\n", "a a/c.py"),
        ("!a\na/b", "a/b"),
        ("?.py", "d.py"),
        ("[cd].py", "d.py"),
        ("[^c].py", "d.py"),
        (r"e\?", "e?"),
        ("e[?]", "e?"),
        ("[a&&d].py", "d.py"),
        ("\ufeffd.py", "d.py"),
    ],
)
def test_patterns_of_dockerignore_are_those_of_docker(text: str, ignored: str) -> None:
    paths = ["a", "a/b", "a/c.py", "d.py", "e?"]
    kept = dockerignore.kept(paths, text)
    assert [path for path in paths if path not in kept] == ignored.split()


def test_patterns_that_docker_refuses_are_named_with_their_lines() -> None:
    wrong = ["!", "[", "a[", "[z-a]", "[a-]*", "[]a]*", "[^]", "a\\", "[[:alpha:]]"]
    texts = {"img/.dockerignore": "\n".join(["*.md", "[a-z]", *wrong])}
    with pytest.raises(ProjectError, match="is no known pattern") as raised:
        declared(texts=texts, build={"context": "img"})
    places = [problem.where for problem in raised.value.problems]
    assert places == [f"img/.dockerignore:{line}" for line in range(3, 3 + len(wrong))]


LOCK = ImageLock("d", "reg:5000/a:1", "sha256:1", "sha256:2")


def test_the_lock_of_an_image_is_read_as_it_was_written() -> None:
    assert parse(LOCK.text) == LOCK
    assert LOCK.name == "reg:5000/a@sha256:1"
    assert LOCK._replace(digest=None).name is None
    assert LOCK._replace(image=None).name is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"id": 1}', LOCK.text.replace('"sha256:2"', "null"),
             LOCK.text.replace('"d"', "5")],
)  # fmt: skip
def test_a_damaged_lock_of_an_image_is_an_error(text: str) -> None:
    with pytest.raises(EnvironmentFailed, match="the lock of an image is damaged"):
        parse(text)
    assert image.declaration_of(text) is None


def test_an_image_lists_no_packages() -> None:
    assert image.packages(LOCK.text) == {}
    assert image.archives(LOCK.text) == []
    assert image.without(LOCK.text, ["a"]) == LOCK.text
    assert format_of("docker") is image
    with pytest.raises(EnvironmentFailed):
        image.packages("damaged")


def test_what_changes_from_lock_to_lock_is_the_digest() -> None:
    other = LOCK._replace(digest="sha256:3")
    assert image.difference(LOCK.text, LOCK.text) == []
    assert image.difference(LOCK.text, other.text) == [
        ("reg:5000/a:1", "sha256:1", "sha256:3")
    ]  # fmt: skip
    built = ImageLock("d", None, None, "sha256:4")
    assert image.difference(image.NOTHING, built.text) == [
        ("the image that is built", None, "sha256:4")
    ]
    assert image.difference("damaged", LOCK.text) == [("reg:5000/a:1", None, "sha256:1")]
