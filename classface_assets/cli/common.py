"""Options and lines of output that several commands share. Nothing heavy is imported, so that `--help` is instant."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.completion import complete_packs
from classface_assets.cli.messages import name_the_archive
from classface_assets.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from classface_assets.defs.runner.steps import StepFailure
    from classface_assets.orchestration.resources import Archive
    from classface_assets.store.ledger.transaction import CommandResult

PRESETS = ("high-precision", "balanced", "fast")
PRESET = click.option(
    "--preset", type=click.Choice(PRESETS), help="Rather no name than a wrong one, the archive's settings, or quick."
)
METHODS = ("temporal", "hdbscan", "dbscan", "agglomerative")
PACK = click.option("--pack", shell_complete=complete_packs, help="The model pack in use [builtin].")


@contextmanager
def quick_imports() -> Iterator[None]:
    """Within it heavy modules are imported without looking for garbage, of which they make none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def archive_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --photos, --data and --local to a command, and pass it the archive that they name as first argument."""

    @click.option("--photos", help="Folder or URL (s3://bucket/photos) of school years [DATA/photos].")
    @click.option("--data", help="Folder or URL for all outputs [data].")
    @click.option("--local", help="Folder on this machine for database, names and models [DATA, or data for a URL].")
    @wraps(command)
    def wrapped(photos: str | None, data: str | None, local: str | None, **options: object) -> object:
        from classface_assets.core.arrays import share_one_polars_heap

        share_one_polars_heap()
        try:
            return _call(command, (photos, data, local), options)
        except UserError as error:
            name_the_archive(error)
            raise

    return wrapped


def _call(
    command: Callable[..., Any], places: tuple[str | None, str | None, str | None], options: Mapping[str, object]
) -> object:
    """Call a command with the archive at these places: photos, data, local."""
    pack = "pack" in options and (options["pack"] or os.environ.get("CLASSFACE_PACK"))
    with quick_imports():
        if pack:
            _require_pack(str(pack), places[2], places[1])
        from classface_assets.orchestration.configured_resources import resolve_archive

    archive = resolve_archive(*places)
    try:
        result = command(archive, **options)
        archive.share()
        return result
    finally:
        problem = archive.backup_scheduler.flush()
        if problem:
            click.echo(problem, err=True)


def _require_pack(pack: str, local: str | None, data: str | None) -> None:
    """Raises PackError for a pack that is not there, before Dagster is imported, which takes seconds."""
    from classface_assets.vision.models.pack_info import describe_pack

    folder = data or os.environ.get("CLASSFACE_DATA") or "data"
    local = local or os.environ.get("CLASSFACE_LOCAL") or ("data" if "://" in folder else folder)
    describe_pack(pack, Path(local).absolute() / "packs")


def echo_result(result: CommandResult, sentence: str) -> None:
    """Print what a decision did, and what it overruled."""
    click.echo("\n".join([sentence, *result.notes]))


def echo_failures(console: Console, failures: Iterable[StepFailure]) -> None:
    """Print which steps of a run failed, and why; also where the console is quiet."""
    console.quiet = False
    for failure in failures:
        console.print(f"{failure.year} ({failure.job}): {failure.reason}", style="red", soft_wrap=True)


def echo_stats(archive: Archive) -> None:
    """Print files by status, faces, students with and without a name; and labelled faces that are in no photo."""
    from classface_assets.services.queries import stats_lines
    from classface_assets.store.catalog.photo_records import lost_label_report

    for line in stats_lines(archive.layout.database):
        click.echo(line)
    for line in lost_label_report(archive.layout, archive.open_ledger().decisions()):
        click.echo(line, err=True)


def echo_newer_decisions(archive: Archive) -> None:
    """Print how many decisions came while the run was in progress, if any did."""
    newer = newer_decisions(archive)
    if newer:
        click.echo(f"{newer:,} newer {'decision counts' if newer == 1 else 'decisions count'} at the next run.")


def newer_decisions(archive: Archive) -> int:
    """How many decisions came while the last run was in progress."""
    from classface_assets.store.artifacts.assignment_tables import count_newer_decisions, read_table_inputs

    try:
        inputs = read_table_inputs(archive.layout.table("identities"))
    except FileNotFoundError:
        return 0
    if inputs is None:
        return 0
    return count_newer_decisions(archive.open_ledger().events(after=inputs.until), inputs.until)


def echo_school_year_notes(archive: Archive) -> None:
    """Print which school years are guesses by the names of folders, and how many system files were left out."""
    from classface_assets.services.school_years import year_notes

    for line in year_notes(archive.layout):
        click.echo(line)
