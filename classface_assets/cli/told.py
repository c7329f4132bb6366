"""What several commands print in the same words."""

from collections.abc import Iterable
from typing import Any

import click


def tell_act(act: Any, sentence: str) -> None:
    """What a decision did, and what it overruled."""
    click.echo("\n".join([sentence, *act.notes]))


def tell_stopped(console: Any, stopped: Iterable[Any]) -> None:
    """Where the chain stopped, and why."""
    for stop in stopped:
        console.print(f"{stop.year} ({stop.job}): {stop.reason}", style="red", soft_wrap=True)


def tell_stats(archive: Any) -> None:
    """What was found: files by status, faces, students named and unknown."""
    from classface_assets.naming import stats_lines

    for line in stats_lines(archive.layout.database):
        click.echo(line)


def tell_years(archive: Any) -> None:
    """Which school years are guesses by the names of folders, and what of systems was left out."""
    from classface_assets.dated_folders import year_notes

    for line in year_notes(archive.layout):
        click.echo(line)
