"""What an environment of the project file is declared to be."""

import hashlib
from collections.abc import Callable

import pytest

from runproj.errors import NotSupported, ProjectError
from runproj.lock.declaration import check_packages, declare
from runproj.lock.lock import Declaration, Lock
from runproj.lock.pyproject import parse, toml
from runproj.lock.requirements import demanded_hashes
from runproj.spec.environment import SystemEnvironment, VenvEnvironment
from runproj.spec.fields import validated

PYPROJECT = """
[project]
name = "wine"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["numpy"]
[project.optional-dependencies]
train = ["scipy"]
[dependency-groups]
dev = ["pytest"]
[build-system]
requires = ["hatchling"]
[tool.ruff]
line-length = 100
[tool.uv]
constraint-dependencies = ["numpy<3"]
"""


def venv(**fields: object) -> VenvEnvironment:
    return validated(VenvEnvironment, {"kind": "venv", **fields})


def declared(files: dict[str, str], **fields: object) -> Declaration:
    return declare(venv(**fields), files.get)


def wrong(files: dict[str, str], **fields: object) -> ProjectError:
    with pytest.raises(ProjectError) as raised:
        declared(files, **fields)
    return raised.value


def test_the_system_declares_nothing() -> None:
    declaration = declare(SystemEnvironment(kind="system"), dict[str, str]().get)

    assert declaration == Declaration(kind="system")


def test_included_files_are_collected_relative_to_the_file_that_includes_them() -> None:
    files = {
        "needs/all.txt": "-r base.txt\n--constraint=../limits.txt\nscipy\n",
        "needs/base.txt": "-cmore/limits.txt\n",
        "needs/more/limits.txt": "numpy<3\n",
        "limits.txt": "-r needs/all.txt\n",
    }

    assert set(declared(files, requirements="needs/all.txt").files) == set(files)


def test_a_missing_included_file_is_told_with_the_line_that_includes_it() -> None:
    error = wrong({"a.txt": "numpy\n\n-r b.txt\n"}, requirements="a.txt")

    assert "'b.txt'" in str(error)
    assert error.problems[0].where == "a.txt:3"
    assert error.exit_code == 3


def test_all_that_is_wrong_is_told_at_once() -> None:
    files = {"a.txt": "-r b.txt\n../lib\n", "pyproject.toml": PYPROJECT}

    error = wrong(files, requirements=["a.txt", "c.txt"], pyproject={"extras": "trian"})

    assert [problem.where for problem in error.problems] == [
        "a.txt:1", "a.txt:2", "requirements", "pyproject.toml"
    ]  # fmt: skip
    assert not isinstance(error, NotSupported)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("numpy\n", "# what we need\r\n\r\nnumpy   # for arrays\r\n"),
        ("numpy --hash=sha256:aa\n", "numpy \\\n--hash=sha256:aa\n"),
    ],
)
def test_comments_and_layout_of_requirements_do_not_make_a_lock_stale(old: str, new: str) -> None:
    before, after = (declared({"a.txt": text}, requirements="a.txt") for text in (old, new))

    assert before.digest == after.digest


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (PYPROJECT.replace("100", "88"), True),
        (PYPROJECT.replace("hatchling", "flit-core"), True),
        (PYPROJECT + '[project.scripts]\nwine = "wine:main"\n', True),
        (PYPROJECT.replace('["numpy"]', '["numpy>2"]'), False),
        (PYPROJECT.replace("numpy<3", "numpy<2"), False),
        (PYPROJECT.replace("3.11", "3.12"), False),
        (PYPROJECT.replace('"pytest"', '"pytest<9"'), False),
    ],
)
def test_only_what_decides_the_resolution_makes_a_lock_stale(text: str, *, same: bool) -> None:
    before = declared({"pyproject.toml": PYPROJECT}, pyproject=True)
    after = declared({"pyproject.toml": text}, pyproject=True)

    assert (before.digest == after.digest) is same


def test_a_new_script_changes_the_package_though_not_the_lock() -> None:
    more = PYPROJECT + '[project.scripts]\nwine = "wine:main"\n'
    before = declared({"pyproject.toml": PYPROJECT}, pyproject=True)
    after = declared({"pyproject.toml": more}, pyproject=True)

    assert before.package != after.package


def test_the_python_of_pyproject_counts_where_the_environment_names_none() -> None:
    files = {"pyproject.toml": PYPROJECT}

    assert declared(files, pyproject=True).python == ">=3.11"
    assert declared(files, pyproject=True, python="3.12").python == "3.12"


def test_the_lock_of_uv_counts_only_when_pyproject_stands_alone() -> None:
    files = {"pyproject.toml": PYPROJECT, "uv.lock": "version = 1\n", "a.txt": "six\n"}

    assert "uv.lock" in declared(files, pyproject=True).files
    assert "uv.lock" not in declared(files, pyproject=True, requirements="a.txt").files
    assert "uv.lock" not in declared(files, pyproject=True, packages="six").files


def test_an_unknown_extra_or_group_is_told_with_the_nearest_name() -> None:
    error = wrong(
        {"pyproject.toml": PYPROJECT}, pyproject={"extras": ["trian"], "groups": ["devv"]}
    )

    hints = [problem.hint for problem in error.problems]
    assert hints == ["did you mean 'train'?", "did you mean 'dev'?"]


def test_names_of_extras_are_compared_as_the_standard_says() -> None:
    text = PYPROJECT.replace("train =", "Deep_Learning =")

    assert declared({"pyproject.toml": text}, pyproject={"extras": "deep-learning"}).extras


def test_a_folder_of_links_relative_to_the_project_is_not_supported() -> None:
    assert isinstance(wrong({"a.txt": "-f wheels"}, requirements="a.txt"), NotSupported)


@pytest.mark.parametrize(
    "line",
    ["../lib", "-e ..", "/opt/lib", "-e /opt/lib", "~/lib", "file:///opt/x.whl", "x @ file:lib",
     "x @ ../lib", "x @ /opt/lib", "./a/../../lib"],
)  # fmt: skip
def test_a_path_outside_of_the_project_is_refused(line: str) -> None:
    error = wrong({"a.txt": f"numpy\n{line}"}, requirements="a.txt")

    assert "is outside of the project" in str(error)
    assert error.problems[0].where == "a.txt:2"
    assert "./libs/x" in (error.problems[0].hint or "")


@pytest.mark.parametrize(
    "line",
    ["numpy", "x[y]>=1; python_version > '3'", "git+https://host/x", "x @ git+ssh://git@host/x",
     "https://host/x.whl", "-e git+https://host/x#egg=x", "-f /opt/wheels", "-f https://host/x",
     "--index-url https://host/simple", "--pre", "x @ https://host/x.zip"],
)  # fmt: skip
def test_what_is_not_local_is_left_to_the_resolver(line: str) -> None:
    assert declared({"a.txt": line}, requirements="a.txt").files["a.txt"] == f"{line}\n"


@pytest.mark.parametrize(
    ("path", "line", "hint"),
    [
        ("a.txt", "-e .", "pyproject: true"),
        ("a.txt", ".", "pyproject: true"),
        ("needs/a.txt", "-e ./", "pyproject: true"),
        ("a.txt", "-e .[train]", "pyproject: {extras: [train]}"),
    ],
)
def test_the_project_itself_as_a_requirement_gets_the_hint_to_use_pyproject(
    path: str, line: str, hint: str
) -> None:
    error = wrong({path: line}, requirements=path)

    assert hint in (error.problems[0].hint or "")


@pytest.mark.parametrize("line", ["-r ../x.txt", "-r /etc/x.txt", "-r https://host/x.txt"])
def test_a_requirement_file_outside_of_the_project_is_not_supported(line: str) -> None:
    assert isinstance(wrong({"a.txt": line}, requirements="a.txt"), NotSupported)


def test_an_option_among_inline_packages_is_refused() -> None:
    assert "option" in str(wrong({}, packages=["-r a.txt"]))


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (None, ProjectError, "no pyproject.toml"),
        ("[project\n", ProjectError, "not valid TOML"),
        ("[tool.x]\n", ProjectError, "no [project] table"),
        ("[tool.poetry]\n", NotSupported, "[tool.poetry]"),
        ('[project]\nname = "x"\ndynamic = ["dependencies"]\n', NotSupported, "dynamic"),
        (
            '[project]\nname = "x"\n[tool.uv.sources]\ny = {path = "../y"}\n',
            ProjectError,
            "outside",
        ),
        ('[project]\nname = "x"\n[tool.uv.workspace]\n', NotSupported, "workspace"),
    ],
)
def test_a_pyproject_that_cannot_be_used_says_why(
    text: str | None, kind: type[ProjectError], said: str
) -> None:
    error = wrong({} if text is None else {"pyproject.toml": text}, pyproject=True)

    assert type(error) is kind
    assert said in str(error)


def test_a_mistake_in_toml_has_line_and_column() -> None:
    error = wrong({"pyproject.toml": "[project]\nname = wine\n"}, pyproject=True)

    assert error.problems[0].where == "pyproject.toml:2:8"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('project = "wine"\n', "'project' has to be a table"),
        ("dependency-groups = 1\n", "'dependency-groups' has to be a table"),
        ("[tool]\nuv = true\n", "'tool.uv' has to be a table"),
        ('[tool.setuptools]\npackage-dir = "src"\n', "package-dir' has to be a table"),
        ('[tool.poetry]\npackages = "wine"\n', "'tool.poetry.packages' has to be a list"),
        ("[project]\nrequires-python = 3.11\n", "requires-python' has to be a text in quotes"),
    ],
)
def test_a_pyproject_with_the_wrong_kind_of_value_says_what_it_has_to_be(
    text: str, said: str
) -> None:
    error = wrong({"pyproject.toml": text}, pyproject=True)

    assert said in str(error)
    assert error.problems[0].where == "pyproject.toml"


def test_wrong_kinds_of_values_are_told_all_at_once() -> None:
    error = wrong({"pyproject.toml": "[project]\nname = 1\nversion = 2.0\n"}, pyproject=True)

    assert len(error.problems) == 2


def test_groups_need_no_project_table() -> None:
    text = '[dependency-groups]\ndev = ["pytest"]\n'

    assert declared({"pyproject.toml": text}, pyproject={"groups": "dev"}).groups == ("dev",)


def test_a_pyproject_given_as_requirements_gets_the_right_hint() -> None:
    error = wrong({"pyproject.toml": PYPROJECT}, requirements="pyproject.toml")

    assert "pyproject: true" in (error.problems[0].hint or "")


@pytest.mark.parametrize("text", ['"', "\\", "a\nb", "\x7f", "ä", "\x00", "\U0001f377", ""])
def test_what_is_written_as_toml_reads_as_it_was(
    text: str, subject: Callable[[str], object]
) -> None:
    assert subject(text) == text


@pytest.fixture
def subject() -> Callable[[str], object]:
    def written_and_read(text: str) -> object:
        return parse(toml({"t": {"a key": [{"k": text, "n": 1.5, "b": True}]}}))["t"]["a key"][0][
            "k"
        ]

    return written_and_read


def test_every_listed_package_that_is_no_requirement_is_named() -> None:
    declaration = declared({}, packages=["six", "six >", "x @ git+https://host/x", "a b"])

    with pytest.raises(ProjectError) as raised:
        check_packages(declaration)

    assert [problem.where for problem in raised.value.problems] == ["packages[1]", "packages[3]"]
    assert "'six >' is no requirement: " in str(raised.value)
    check_packages(declared({}, packages=["six>=1 ; python_version > '3'"]))


def test_a_continued_last_line_counts() -> None:
    assert declared({"a.txt": "numpy \\\n"}, requirements="a.txt").files == {"a.txt": "numpy\n"}
    assert declared({"a.txt": "# \\\n \\\n"}, requirements="a.txt").files == {"a.txt": ""}


def test_a_dynamic_version_is_kept_and_hides_nothing() -> None:
    text = PYPROJECT.replace('version = "1.0"', 'dynamic = ["version"]')
    kept = declared({"pyproject.toml": text}, pyproject=True).files["pyproject.toml"]
    assert 'dynamic = ["version"]' in kept


def test_dynamic_extras_cannot_be_judged() -> None:
    text = PYPROJECT.replace(
        'version = "1.0"', 'version = "1"\ndynamic = ["optional-dependencies"]'
    )
    error = wrong({"pyproject.toml": text}, pyproject={"extras": "anything"})
    assert [problem.message.partition(":")[0] for problem in error.problems] == [
        "'optional-dependencies' is dynamic"
    ]


def test_sources_of_uv_that_are_not_local_are_left_to_it() -> None:
    more = '[tool.uv.sources]\nx = {git = "https://host/x"}\ny = [{index = "i"}]\n'
    assert declared({"pyproject.toml": PYPROJECT + more}, pyproject=True).pyproject


def test_dates_of_a_table_are_kept() -> None:
    text = PYPROJECT.replace("[tool.uv]\n", "[tool.uv]\nexclude-newer-package = {x = 2026-01-02}\n")
    kept = declared({"pyproject.toml": text}, pyproject=True).files["pyproject.toml"]
    assert "x = 2026-01-02" in kept


def test_a_lock_is_known_by_its_text() -> None:
    assert Lock(kind="venv", content="a").sha256 == hashlib.sha256(b"a").hexdigest()


def test_demanded_hashes_are_collected_with_names_as_the_standard_says() -> None:
    files = declared(
        {"a.txt": "Six_X[y]==1 \\\n  --hash=sha256:AB \\\n --hash sha256:cd ; x\n-r b.txt\n",
         "b.txt": "six-x --hash=sha512:ef\n--pre\nnumpy\n"},
        requirements="a.txt",
    ).files  # fmt: skip
    assert demanded_hashes(files) == {"six-x": {"sha256:ab", "sha256:cd", "sha512:ef"}}
