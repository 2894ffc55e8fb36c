"""The works that every tool is given: steps, said once, without the words of any tool."""

from collections.abc import Iterable
from typing import NamedTuple

DATA = "data"
"""The folder of the files that a work begins with; git ignores it."""


class Step(NamedTuple):
    """A command for a shell that reads ``inputs`` and makes ``outputs``.

    A path that ends with ``/`` is a folder.
    """

    name: str
    command: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


class Work(NamedTuple):
    """Steps in an order in which they can execute, and how Snakemake says them in rules.

    ``snakefile`` uses wildcards, as its documentation recommends; a rule for each step would be
    slower. Without it, each step is a rule.
    """

    steps: tuple[Step, ...]
    snakefile: str = ""

    @property
    def data(self) -> list[str]:
        """The files that must be there before."""
        made = {path for step in self.steps for path in step.outputs}
        return sorted({path for step in self.steps for path in step.inputs} - made)

    @property
    def target(self) -> str:
        """What the last step makes."""
        return self.steps[-1].outputs[0]


def chain(length: int) -> Work:
    """Return steps of which each copies what the one before it made."""
    paths = [f"{DATA}/0.txt", *(f"out/{number}.txt" for number in range(length))]
    snakefile = (
        f"rule all:\n    input: 'out/{length - 1}.txt'\n"
        f"rule first:\n    input: '{DATA}/0.txt'\n    output: 'out/0.txt'\n"
        "    shell: 'cp {input} {output}'\n"
        "rule next:\n    input: lambda w: f'out/{int(w.number) - 1}.txt'\n"
        "    output: 'out/{number,[1-9][0-9]*}.txt'\n    shell: 'cp {input} {output}'\n"
    )
    return Work(tuple(_copies(paths, paths[1:])), snakefile)


def fan(width: int) -> Work:
    """Return steps of which each copies a file of its own, but the last, which joins the copies."""
    names = [f"{number}.txt" for number in range(width - 1)]
    copies = tuple(f"out/{name}" for name in names)
    join = Step("join", "cat out/*.txt > all.txt", copies, ("all.txt",))
    snakefile = (
        "rule join:\n"
        f"    input: expand('out/{{number}}.txt', number=range({width - 1}))\n"
        "    output: 'all.txt'\n    shell: 'cat out/*.txt > {output}'\n"
        f"rule one:\n    input: '{DATA}/{{number}}.txt'\n    output: 'out/{{number}}.txt'\n"
        "    shell: 'cp {input} {output}'\n"
    )
    return Work((*_copies((f"{DATA}/{name}" for name in names), copies), join), snakefile)


def _copies(sources: Iterable[str], targets: Iterable[str]) -> Iterable[Step]:
    pairs = zip(sources, targets, strict=False)
    for number, (source, target) in enumerate(pairs):
        yield Step(f"s{number}", f"cp {source} {target}", (source,), (target,))
