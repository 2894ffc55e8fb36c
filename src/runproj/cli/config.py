"""The command config: which settings hold here, and who says so."""

import os

import click

from runproj.app import places
from runproj.cli.group import json_option, place_options
from runproj.cli.render.style import stdout_style, visible
from runproj.cli.render.text import table
from runproj.spec.settings import KEYS


@click.command("config")
@json_option
@place_options
def config(store: str | None, *, as_json: bool) -> int:
    """Show the settings that hold in this folder, and where each is from.

    An option goes before a RUNPROJ_… variable, that before [tool.runproj] in the project's
    pyproject.toml, and that before your own file, which is named at the end.
    """
    del store
    found = places.settings(os.curdir, os.environ)
    file = places.settings_file(os.environ)
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        shown = [
            documents.SettingDocument(name=name, value=one.value, origin=one.origin)
            for name, one in found.items()
        ]
        print(documents.as_text(documents.ConfigResult(settings=shown, user_file=file)))
        return 0
    style = stdout_style()
    rows = [
        (name, visible(_toml(one.value), painted=False), style.dim(visible(one.origin)),
         KEYS[name].help)
        for name, one in found.items()
    ]  # fmt: skip
    print(table(rows, indent=""), end="")
    print(f"\n{style.dim('your own file')}  {file}")
    return 0


def _toml(value: object) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
