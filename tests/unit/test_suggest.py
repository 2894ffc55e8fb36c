import pytest

from runproj.spec.suggest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "meant"),
    [("comand", "command"), ("COMMAND", "command"), ("imputs", "inputs"), ("inputs", "inputs")],
)
def test_the_nearest_name_is_found(name: str, meant: str) -> None:
    assert nearest(name, ["command", "inputs", "outputs"]) == meant


def test_a_name_like_no_other_has_no_nearest() -> None:
    assert nearest("zzz", ["command", "inputs"]) is None


def test_the_hint_is_the_nearest_name() -> None:
    assert did_you_mean("lrr", iter(["lr", "seed"])) == "did you mean 'lr'?"


def test_the_hint_without_a_nearest_name_is_all_names_in_order() -> None:
    assert did_you_mean("zzz", ["seed", "lr", "seed"]) == "known: lr, seed"


def test_without_names_there_is_no_hint() -> None:
    assert did_you_mean("x", []) is None
