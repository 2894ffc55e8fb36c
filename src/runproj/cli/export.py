"""The command that hands runs to other programs."""

import sys
from pathlib import Path

import click

from runproj.app import stores
from runproj.cli import complete
from runproj.cli.group import place_options
from runproj.errors import UsageError


@click.command("export")
@click.option(
    "--csv", "csv", metavar="FILE", shell_complete=complete.files, help="- is the terminal."
)
@click.option("--parquet", metavar="FILE", shell_complete=complete.files, help="Needs pyarrow.")
@click.option("--where", metavar="QUERY", help="Only such runs: 'metrics.rmse < 0.8'.")
@click.option(
    "--experiment", shell_complete=complete.experiments, help="Only runs of this experiment."
)
@place_options
def export(
    store: str | None, csv: str | None, parquet: str | None, where: str | None,
    experiment: str | None,
) -> int:  # fmt: skip
    """Write all runs to a file: a row for each, typed columns."""
    from runproj import frames  # noqa: PLC0415 -- lazy

    if not (csv or parquet):
        raise UsageError("say where to: --csv FILE or --parquet FILE")
    found = frames.found_columns(stores.find_store(str(Path.cwd()), store), where, experiment)
    count = len(found[0].values)
    if parquet:
        frames.write_parquet(found, parquet)
    if csv:
        from runproj.cli.render.forms import csv_text  # noqa: PLC0415 -- lazy

        rows = zip(*(one.values for one in found), strict=True)
        text = csv_text([[one.name for one in found], *rows])
        if csv == "-":
            sys.stdout.write(text)
            return 0
        try:
            Path(csv).write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise UsageError(f"the file cannot be written: {error.strerror}", where=csv) from error
    print(f"{count} run{'s' * (count != 1)} written")
    return 0
