"""Which interpreters a version means."""

import pytest

from runproj.adapters.environments.discovery import specifiers
from runproj.errors import EnvironmentFailed


@pytest.mark.parametrize(
    ("spec", "version", "fits"),
    [
        ("3.12", "3.12.0", True),
        ("3.12", "3.12.11", True),
        ("3.12", "3.13.0", False),
        ("3.1", "3.12.0", False),
        ("3", "3.14.0", True),
        ("3", "2.7.18", False),
        ("3.12.4", "3.12.4", True),
        ("3.12.4", "3.12.5", False),
        ("3.12.*", "3.12.5", True),
        ("==3.12.*", "3.12.5", True),
        (">=3.10,<3.13", "3.12.9", True),
        (">=3.10,<3.13", "3.13.0", False),
        (" >= 3.10 , < 3.13 ", "3.10.0", True),
        (">=3.10, !=3.11.*", "3.11.2", False),
        ("~=3.11", "3.14.0", True),
        ("~=3.11.2", "3.12.0", False),
        ("3.15", "3.15.0rc1", True),
    ],
)
def test_a_version_allows_what_people_mean_by_it(spec: str, version: str, *, fits: bool) -> None:
    assert (version in specifiers(spec)) is fits


@pytest.mark.parametrize("spec", ["three", ">=", "3.12 or so", ">=3.10<4"])
def test_what_is_no_version_is_told_with_examples(spec: str) -> None:
    with pytest.raises(EnvironmentFailed, match="not a version of Python") as raised:
        specifiers(spec)

    assert "3.12" in (raised.value.problems[0].hint or "")
