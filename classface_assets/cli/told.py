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
    """What was found: files by status, faces, students named and unknown; and labelled faces that are in no photo."""
    from classface_assets.naming import stats_lines
    from classface_assets.store.photo_records import lost_label_lines

    for line in stats_lines(archive.layout.database):
        click.echo(line)
    for line in lost_label_lines(archive.layout, archive.open_ledger().decisions()):
        click.echo(line, err=True)


def tell_newer(archive: Any) -> None:
    """How much was said while a run went, if anything was."""
    from classface_assets.store.assignment_tables import made_of

    try:
        noted = made_of(archive.layout.table("identities"))
    except FileNotFoundError:
        return
    newer = 0 if noted is None else len(archive.open_ledger().events(after=noted.until))
    if newer:
        click.echo(f"{newer:,} newer {'decision counts' if newer == 1 else 'decisions count'} at the next run.")
