"""Options that the commands share. Nothing heavy is imported, so that `--help` is instant.

What several commands print in the same words.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import click

METHODS = ("temporal", "hdbscan", "dbscan", "agglomerative")
PACK = click.option("--pack", help="The model pack in use [builtin].")


def archive_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --photos, --data and --local; it is handed the archive they name."""

    @click.option("--photos", help="Folder or URL (s3://bucket/photos) of school years [DATA/photos].")
    @click.option("--data", help="Folder or URL for all that is made [data].")
    @click.option("--local", help="Folder on this machine for database, names and models [DATA, or data for a URL].")
    @wraps(command)
    def wrapped(photos: str | None, data: str | None, local: str | None, **options: Any) -> Any:
        from classface_assets.orchestration.resources import resolve_archive

        return command(resolve_archive(photos, data, local), **options)

    return wrapped


def echo_result(act: Any, sentence: str) -> None:
    """What a decision did, and what it overruled."""
    click.echo("\n".join([sentence, *act.notes]))


def echo_failures(console: Any, stopped: Iterable[Any]) -> None:
    """Where the chain stopped, and why."""
    for stop in stopped:
        console.print(f"{stop.year} ({stop.job}): {stop.reason}", style="red", soft_wrap=True)


def echo_stats(archive: Any) -> None:
    """What was found: files by status, faces, students named and unknown; and labelled faces that are in no photo."""
    from classface_assets.services.queries import stats_lines
    from classface_assets.store.catalog.photo_records import lost_label_report

    for line in stats_lines(archive.layout.database):
        click.echo(line)
    for line in lost_label_report(archive.layout, archive.open_ledger().decisions()):
        click.echo(line, err=True)


def echo_newer_decisions(archive: Any) -> None:
    """How much was said while a run went, if anything was."""
    from classface_assets.store.artifacts.assignment_tables import count_newer_decisions, read_table_inputs

    try:
        noted = read_table_inputs(archive.layout.table("identities"))
    except FileNotFoundError:
        return
    newer = 0 if noted is None else count_newer_decisions(archive.open_ledger().events(after=noted.until), noted.until)
    if newer:
        click.echo(f"{newer:,} newer {'decision counts' if newer == 1 else 'decisions count'} at the next run.")


def echo_school_year_notes(archive: Any) -> None:
    """Which school years are guesses by the names of folders, and what of systems was left out."""
    from classface_assets.services.school_years import year_notes

    for line in year_notes(archive.layout):
        click.echo(line)
