import pytest

from runproj.spec.interpreter import is_code


@pytest.mark.parametrize(
    "words",
    [
        "python -c", "python3.11 -c", "/usr/bin/python -uc", "python -W ignore -X dev -c",
        "pypy3 -c",
        "bash -c", "sh -ec", "bash -ce", "bash -euo pipefail -c", "zsh -c", "fish -c", "dash -c",
        "sudo bash -c", "env A=1 python -c", "A=1 B=2 python -c", "then python -c", "xargs sh -c",
        "timeout 5 python -c", "find . -name python -exec bash -c", "'bash' \"-c\"",
        "perl -e", "perl -ne", "perl -lane", "perl -pi -e", "perl -E",
        "perl -I lib -e", "ruby -e", "ruby -ne", "R -e", "Rscript --vanilla -e", "julia -e",
        "julia --eval", "lua -e", "lua -l x -e", "node -e", "node -p", "node -pe", "node --eval",
        "node -r x -e", "deno eval", "bun -e", "php -r", "psql -d x -c", "mysql -e", "su -c",
        "awk", "gawk", "awk -v a=b", "awk -F :", "awk -F: --", "eval", "eval a b", "trap",
    ],
)  # fmt: skip
def test_the_next_word_is_code(words: str) -> None:
    assert is_code(words.split())


@pytest.mark.parametrize(
    "words",
    [
        "", "echo", "python", "python train.py", "python train.py -c", "python -m pytest -c",
        "python -mpytest -c", "python -um pytest -c", "python -c 'print(1)'", "python -c code -c",
        "bash script.sh -c", "bash -c 'echo $1' _", "bash -o", "grep -c", "wc -c", "echo -e",
        "perl x.pl -e", "ruby x.rb -e", "node x.js -e", "deno run x.ts -e", "Rscript x.R -e",
        "env python train.py -c", "python train.py --lang R -e", "awk '{print}'", "awk -f",
        "awk -f x.awk", "awk -f x -F :", "trap 'rm x'", "evaluate -c", "python-config -c",
        "php x.php -r", "./bash.py -c", "echo eval",
    ],
)  # fmt: skip
def test_the_next_word_is_no_code(words: str) -> None:
    assert not is_code(words.split())


@pytest.mark.parametrize(
    ("words", "start"),
    [("python", "-c"), ("perl", "-e'print "), ("node", "--eval="), ("perl -n", "-e"), ("awk", "")],
)
def test_code_may_start_in_the_same_word(words: str, start: str) -> None:
    assert is_code(words.split(), start)


@pytest.mark.parametrize(
    ("words", "start"),
    [
        ("python", "--config="),
        ("node", "--port="),
        ("awk", "-F"),
        ("awk", "-vx="),
        ("python x", "-c"),
    ],
)
def test_an_option_in_the_same_word_is_no_code(words: str, start: str) -> None:
    assert not is_code(words.split(), start)
