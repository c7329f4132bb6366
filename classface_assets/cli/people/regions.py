"""`classface regions write`, `read` and `remove`: names of people in the metadata of photos, for other programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import archive_options
from classface_assets.cli.completion import complete_years
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive

YEARS = click.option(
    "--year",
    "years",
    shell_complete=complete_years,
    multiple=True,
    metavar="YEAR",
    help="Only this school year; may be repeated.",
)
PEOPLE = click.option("--person", "people", multiple=True, metavar="PERSON", help="Only this person; may be repeated.")
APPLY = click.option("--apply/--dry-run", default=False, help="Do it; else what would be done is listed [dry-run].")


@click.group("regions")
def regions_group() -> None:
    """Names of people in photo files and sidecars, as digiKam, Lightroom and Windows read and write them."""


@regions_group.command()
@archive_options
@YEARS
@PEOPLE
@click.option("--in-files", is_flag=True, help="Into the JPEG files themselves, not into sidecars beside them.")
@click.option("--keywords", is_flag=True, help="Names become keywords and tags below People, too.")
@click.option("--confirmed-only", is_flag=True, help="Leave out people whom nobody has confirmed.")
@APPLY
@JSON
def write(archive: Archive, **given: Any) -> None:
    """Write the names and places of people into sidecars (photo.jpg.xmp) beside the photos.

    Only people whom albums show are named; names of those who are taken back, hidden or refused later are removed by
    the next call. What other programs wrote stays as it is.
    """
    from classface_assets.services.face_regions.photos import Selection
    from classface_assets.services.face_regions.reports import current_view, write_json, write_lines
    from classface_assets.services.face_regions.writing import WriteOptions, write_names
    from classface_assets.store.erasure.written_regions import Place

    options = WriteOptions(
        Selection(given["years"], given["people"]),
        Place.FILE if given["in_files"] else Place.SIDECAR,
        given["keywords"],
        given["confirmed_only"],
        given["apply"],
    )
    view = current_view(archive.layout.database, archive.open_ledger())
    with _progress("Writing" if options.apply else "Comparing") as progress:
        report = write_names(archive, view, options, progress)
    _echo(write_json(report) if given["as_json"] else write_lines(report), report.applied)


@regions_group.command()
@archive_options
@YEARS
@PEOPLE
@click.option("--new-faces/--no-new-faces", default=True, help="Whether named places without a face become faces.")
@click.option("--contacts", type=click.Path(dir_okay=False, path_type=Path), help="Picasa's contacts.xml.")
@APPLY
@JSON
def read(archive: Archive, **given: Any) -> None:
    """Take over the names that digiKam, Lightroom, Picasa or Windows gave faces in the photos.

    Names are read from photo files, sidecars (photo.jpg.xmp, photo.xmp) and Picasa's .picasa.ini. What somebody decided
    here always counts; names that contradict it are listed.
    """
    from classface_assets.services.face_regions.photos import Selection
    from classface_assets.services.face_regions.reading import ReadOptions, read_names
    from classface_assets.services.face_regions.reports import current_view, read_json, read_lines

    selection = Selection(given["years"], given["people"])
    options = ReadOptions(selection, given["new_faces"], given["contacts"], given["apply"])
    view = current_view(archive.layout.database, archive.open_ledger())
    with _progress("Reading") as progress:
        report = read_names(archive, view, options, progress)
    _echo(read_json(report) if given["as_json"] else read_lines(report), report.applied)


@regions_group.command()
@archive_options
@YEARS
@PEOPLE
@APPLY
@JSON
def remove(archive: Archive, **given: Any) -> None:
    """Take the names that `classface regions write` wrote out of sidecars and files again.

    A file that nobody has changed since becomes what it was before, and a sidecar that was made is deleted.
    """
    from classface_assets.services.face_regions.photos import Selection
    from classface_assets.services.face_regions.removal import remove_written
    from classface_assets.services.face_regions.reports import current_view, write_json, write_lines

    selection = Selection(given["years"], given["people"])
    view = current_view(archive.layout.database, archive.open_ledger()) if selection.persons else None
    with _progress("Removing" if given["apply"] else "Comparing") as progress:
        report = remove_written(archive, view, selection, given["apply"], progress)
    _echo(write_json(report) if given["as_json"] else write_lines(report), report.applied)


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A line with the files done, the speed and the time left, in a terminal only."""
    from classface_assets.services.face_regions.record import no_progress

    if not sys.stderr.isatty():
        yield no_progress
        return
    with click.progressbar(length=1, label=label, file=sys.stderr, show_pos=True, show_eta=True) as bar:

        def report(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield report


def _echo(report: Any, applied: bool) -> None:
    if isinstance(report, dict):
        echo_json(report)
        return
    for line in report:
        click.echo(line)
    if not applied:
        click.echo("Nothing was changed; add --apply to do it.")


COMMANDS = (regions_group,)
