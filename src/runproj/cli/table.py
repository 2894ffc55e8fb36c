"""The commands, as text: what help shows without importing any of them."""

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("runproj.cli.project:init", "Write a small working runproj.yaml."),
    "check": ("runproj.cli.project:check", "Say everything that is wrong with a project."),
    "run": ("runproj.cli.run:run", "Run a project: runproj run . -P lr=0.01"),
    "sweep": ("runproj.cli.sweep:sweep", "Run a project many times, with different values."),
    "rerun": ("runproj.cli.run:rerun", "Do a past run again from its record."),
    "resume": ("runproj.cli.run:resume", "Go on with a run that did not come to its end."),
    "verify": ("runproj.cli.run:verify", "Do a run again and judge what came out."),
    "list": ("runproj.cli.finding:list_runs", "List past runs, and find some of them."),
    "show": ("runproj.cli.runs:show", "Show a run or a step of it."),
    "compare": ("runproj.cli.finding:compare", "Show runs beside each other."),
    "best": ("runproj.cli.finding:best", "Find the best run by a metric."),
    "diff": ("runproj.cli.runs:diff", "Say what differs between two runs."),
    "plot": ("runproj.cli.plot:plot", "Draw metrics of runs, or a sweep."),
    "report": ("runproj.cli.report:report", "Write a page about a run or an experiment."),
    "logs": ("runproj.cli.runs:logs", "Print what the steps printed."),
    "export": ("runproj.cli.export:export", "Write runs to CSV or Parquet."),
    "log": ("runproj.cli.log:log", "Tell of a step while it executes."),
    "note": ("runproj.cli.organise:note", "Add a note to a run, or show its notes."),
    "tag": ("runproj.cli.organise:tag", "Set or remove tags of a run."),
    "name": ("runproj.cli.organise:name_run", "Name a run."),
    "archive": ("runproj.cli.organise:archive", "Put runs away; they stay."),
    "delete": ("runproj.cli.organise:delete", "Delete runs; --undo restores them."),
    "get": ("runproj.cli.runs:get", "Copy outputs of a run out of the store."),
    "shell": ("runproj.cli.shell:shell", "Open a shell where a step executed."),
    "status": ("runproj.cli.run:status", "Say what would run and why."),
    "graph": ("runproj.cli.run:graph", "Draw the steps and what flows between them."),
    "model": ("runproj.cli.models:model", "Register models, promote versions, look at them."),
    "lock": ("runproj.cli.environments:lock", "Write the lockfiles of the environments."),
    "env": ("runproj.cli.environments:env", "List, build, enter, export and remove environments."),
    "fsck": ("runproj.cli.store:fsck", "Check the store: what is damaged, and what it touches."),
    "gc": ("runproj.cli.store:gc", "Show what takes room, and remove what nothing needs."),
    "config": ("runproj.cli.config:config", "Show the settings, and where each is from."),
    "completion": ("runproj.cli.complete:completion", "Print the completion of a shell."),
    "schema": ("runproj.cli.project:schema", "Print the JSON Schemas."),
}
ALIASES = {"ls": "list", "validate": "check"}

_FOOTER = """\
With every command: -C DIR runs as if started in DIR; --store DIR uses another store.
Exit codes: 0 done, 1 a step failed, 2 usage, 3 project file, 4 environment or lock, 5 stale,
6 different, 7 cannot rerun, 8 refused, 9 store, 130 interrupted."""


def help_text() -> str:
    """Return the help of the program as a whole."""
    rows = "\n".join(f"  {name:<11}{text}" for name, (_, text) in COMMANDS.items())
    return f"Usage: runproj COMMAND [PROJECT] [OPTIONS]\n\nCommands:\n{rows}\n\n{_FOOTER}"
