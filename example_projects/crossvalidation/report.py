"""Prints a report about all models, and about those that were fitted again."""

import csv
import json
import sys
from pathlib import Path

table, *summaries = map(Path, sys.argv[1:])
print("# Which model suits the wines?\n\n| model | folds | accuracy |\n|---|---|---|")
with table.open(newline="") as file:
    for row in csv.DictReader(file):
        print(f"| {row['model']} | {row['folds']} | {float(row['accuracy']):.3f} |")
print("\nFitted again on all of the data:\n")
for path in summaries:
    one = json.loads(path.read_text())
    print(f"- {one['model']}: knows {one['known']:.1%} of {one['wines']} wines")
