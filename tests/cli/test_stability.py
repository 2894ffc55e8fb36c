"""Repeats under perturbation: each kind of non-determinism is planted, and named rightly."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from tests.cli.commandline import Computer, Done, Files, Project, until

from runproj.adapters.perturbing import faketime, ordered_folder

MakeProject = Callable[[Files], Project]
SCHEMA = Path(__file__).parents[2] / "schemas/output.schema.json"
RANDOM = "on a plain repeat: random numbers, thread timing or something outside"
THREADS = """\
import concurrent.futures, os, random, threading, time
count = len(os.sched_getaffinity(0))
first = threading.Event()
def work(number):
    if count > 1 and number == 0:
        first.wait(10)  # the order of completion is another one with one thread
    value = (1e16, 1.0, -1e16, 1.0)[number % 4]
    if number == 3:
        first.set()
    return value
total = 0.0
with concurrent.futures.ThreadPoolExecutor(4 if count > 1 else 1) as pool:
    for done in concurrent.futures.as_completed([pool.submit(work, n) for n in range(4)]):
        total += done.result()
        time.sleep(0.01)
"""
PLANTED = {
    "stable": "text = 'always the same'",
    "seed": "text = str({f'word {n}' for n in range(100)})",
    "zone": "import time; text = time.strftime('%F %T', time.localtime(946684800))",
    "place": "import os; text = os.getcwd()",
    "depth": "import os; text = str(' ' in os.getcwd())",
    "listing": "import os; text = str(os.listdir('data'))",
    "threads": "import os; text = str([n / 3 for n in range(len(os.sched_getaffinity(0)))])",
    "stamp": "import time; text = str(time.time())",
    "day": "import time; text = time.strftime('%F')",
    "dice": "import os; text = os.urandom(9).hex()",
    "locale": "import os; text = str(sorted(os.environ.get('LC_ALL', '')))",
}
YAML = "runproj: 1\nentry_points:\n  main:\n    steps:\n"
WRITE = "\nwith open('{name}.txt', 'w') as file:\n    file.write(text)\n"


def planted(make: MakeProject, *names: str) -> Project:
    """Return a project with a step for each of these."""
    files: dict[str, str | bytes] = {f"data/entry-{n}.txt": "" for n in range(12)}
    text = YAML
    for name in names:
        files[f"do_{name}.py"] = PLANTED[name] + WRITE.format(name=name)
        text += (
            f"      {name}: {{command: [{sys.executable}, do_{name}.py], outputs: [{name}.txt]}}\n"
        )
    return make({"runproj.yaml": text, **files})


def verified(project: Project, *options: str, code: int = 6) -> Done:
    project.run("run", ".", "-q").ok()
    done = project.run("verify", "latest", "--json", *options).ok(code)
    jsonschema.validate(done.json, json.loads(SCHEMA.read_text()))
    return done


def labels(done: Done) -> dict[str, str]:
    return {
        str(one["path"]).removesuffix(".txt"): one["label"]
        + (f": {one['cause']}" if one["cause"] else "")
        for one in done.json["verify"]["stability"]["outputs"]
    }


@pytest.mark.parametrize("times", ["1", "2", "4"])
def test_each_kind_of_non_determinism_is_named(project: MakeProject, times: str) -> None:
    done = verified(planted(project, *PLANTED), "--times", times)
    print(done.err)
    print(json.dumps(done.json, indent=1))
    assert labels(done) == {}
