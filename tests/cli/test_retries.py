"""Steps that fail and are tried again, as a user sees them."""

import signal
import time

from tests.cli.commandline import Computer, Project, until


def flaky(computer: Computer, retries: str, works_at: int = 3) -> Project:
    """A step that fails with 75 until its so many-th attempt; it counts outside of the project."""
    count = computer.root / "count"
    script = (
        f"echo x >> {count}; n=$(wc -l < {count}); echo attempt $n; "
        f"test $n -ge {works_at} || exit 75; echo done > out.txt\n"
    )
    return computer.project({
        "runproj.yaml": "runproj: 1\nenvironments: {default: {kind: system}}\nentry_points:\n"
        "  main: {command: sh flaky.sh, outputs: [out.txt], retries: " + retries + "}\n",
        "flaky.sh": script,
    })  # fmt: skip


def test_a_step_is_tried_again_and_every_attempt_is_in_its_log(computer: Computer) -> None:
    project = flaky(computer, "{times: 3, delay: 0.1s, exit_codes: [75]}")
    done = project.run("run", ".").ok()
    assert "main: it ended with exit code 75; attempt 2 of 4 in 0.1 s" in done.err
    assert "attempt 3 of 4 in 0.2 s" in done.err
    assert project.run("logs").ok().out == "attempt 1\nattempt 2\nattempt 3\n"
    assert (
        project.run("show", "latest/main").ok().out.count("tried before  it ended with exit") == 2
    )
    step = project.run("show", "latest/main", "--json").ok().json["step"]
    assert step["failures"] == ["it ended with exit code 75"] * 2


def test_a_step_that_never_works_fails(computer: Computer) -> None:
    done = flaky(computer, "1", works_at=9).run("run", ".").ok(1)
    assert "it ended with exit code 75" in done.err
    assert (computer.root / "count").read_text() == "x\n" * 2


def test_ctrl_c_ends_the_wait_for_the_next_attempt(computer: Computer) -> None:
    project = flaky(computer, "{times: 1, delay: 1h}")
    process = project.start("run", ".")
    until((computer.root / "count").exists, "the first attempt was made")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert "interrupted" in project.run("show").ok().out


def test_what_retries_may_say_is_checked(computer: Computer) -> None:
    done = flaky(computer, "{times: 1, wait: 3}").run("check").ok(3)
    assert "wait" in done.err
    assert "unknown key" in done.err
