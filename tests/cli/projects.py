"""A small project of shell commands that many tests run."""

DEMO = """\
runproj: 1
name: demo
parameters:
  who: {type: string, default: world, help: Who is greeted.}
entry_points:
  main:
    parameters:
      lr: {type: float, default: 0.01, min: 0, max: 1, help: Learning rate.}
    steps:
      prepare:
        command: sort data.csv
        sources: [data.csv]
        stdout: build/table.csv
      train:
        command: |
          echo training at {lr}
          echo a warning >&2
          printf '{"loss": %s}' {lr} > {outputs.metrics}
        sources: []
        inputs: [build/table.csv]
        outputs: {metrics: build/metrics.json}
        metrics: [build/metrics.json]
      report:
        command: [cat, build/table.csv, "{steps.train.outputs.metrics}"]
        sources: []
        inputs: [build/table.csv]
        outputs: {page: build/report.txt}
        stdout: build/report.txt
  greet:
    command: echo hello, {who}
    stdout: greeting.txt
"""
FILES = {"runproj.yaml": DEMO, "data.csv": "b\na\n", "notes.txt": "of no step\n"}
EVERY_STEP_RAN = {"prepare": "succeeded", "train": "succeeded", "report": "succeeded"}
EVERY_STEP_CACHED = {"prepare": "cached", "train": "cached", "report": "cached"}

FAILING = """\
runproj: 1
name: failing
entry_points:
  main:
    steps:
      good: {command: echo good, stdout: good.txt}
      bad: {command: "echo words before the end; exit 3"}
      after: {command: echo after, needs: [bad], stdout: after.txt}
      aside: {command: echo aside, stdout: aside.txt}
"""
