"""`classface settings …`: the settings of an archive that last, in its `classface.toml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import archive_options
from classface_assets.cli.groups import DefaultGroup
from classface_assets.cli.messages import echo_sentence
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive


settings_group = DefaultGroup(
    "settings", "The lasting settings of an archive; alone: those that are set, and from where each value comes."
)


@settings_group.default
@settings_group.command()
@archive_options
@click.option("--all", "every", is_flag=True, help="Also those that are not set.")
@JSON
def show(archive: Archive, every: bool, as_json: bool) -> None:
    """The settings: key, value, where it comes from, what it is; one a line, separated by tabs."""
    from classface_assets.services.first_run.settings import list_settings

    found = [one for one in list_settings(archive) if every or one.source != "built-in"]
    if as_json:
        echo_json({one.key: {"value": one.value, "source": one.source} for one in found})
        return
    for one in found:
        click.echo("\t".join((one.key, one.shown, one.source, one.meaning)))
    if not found:
        echo_sentence("Nothing is set; `classface settings show --all` lists what can be.", err=True)


@settings_group.command("set")
@archive_options
@click.argument("key")
@click.argument("value")
def set_(archive: Archive, key: str, value: str) -> None:
    """Set KEY to VALUE for this archive, from the next command or run on."""
    from classface_assets.orchestration.settings.file import parse_value, set_values, settings_path
    from classface_assets.services.first_run.settings import overruled_sentence

    set_values(archive.layout.local, {key: parse_value(key, value)})
    click.echo(f"{key} is {value}, in {settings_path(archive.layout.local)}.")
    note = overruled_sentence(key)
    if note:
        click.echo(note, err=True)


@settings_group.command()
@archive_options
@click.argument("key")
def unset(archive: Archive, key: str) -> None:
    """Remove what is set for KEY: the built-in value counts again."""
    from classface_assets.orchestration.settings.file import set_values

    set_values(archive.layout.local, {key: None})
    click.echo(f"{key} is not set any more.")


COMMANDS = (settings_group,)
