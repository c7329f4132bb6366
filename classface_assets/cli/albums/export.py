"""`classface export …`: photos, prints, portraits for yearbooks and tables of a student, class or school year."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from classface_assets.cli.common import archive_options
from classface_assets.cli.completion import complete_years
from classface_assets.core.errors import UserError
from classface_assets.store.model.purposes import Purpose

if TYPE_CHECKING:
    from classface_assets.albums.exports.print.contact_sheet import PrintedDocument
    from classface_assets.albums.exports.print.document import PrintOptions
    from classface_assets.orchestration.resources import Archive
    from classface_assets.services.exports.documents import ExportSource

PAGE_SIZES = ("a4", "letter")
TABLE_FORMATS = ("csv", "xlsx", "parquet")


@click.group("export")
def export_group() -> None:
    """Photos, prints, portraits and tables of a student, class, school year or some photos.

    What albums do not show is not exported either: photos of people who refused, are hidden or were erased are left
    out, or their faces covered (CLASSFACE_REFUSED). Each export reports how many, and names nobody who refused.
    """


def selection_options(purpose: Purpose) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options that choose photos; the command gets them as an `ExportSource`, after the archive."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @archive_options
        @click.option("--person", "people", multiple=True, metavar="NAME", help="Photos of this person.")
        @click.option("--class", "classes", multiple=True, metavar="CLASS", help="Photos of this class of the roster.")
        @click.option(
            "--year",
            "years",
            shell_complete=complete_years,
            multiple=True,
            metavar="YEAR",
            help="Photos of this school year.",
        )
        @click.option(
            "--photo", "chosen", multiple=True, metavar="PATH", help="This photo, or the photos of this folder."
        )
        @click.option(
            "--purpose",
            type=click.Choice([each.value for each in Purpose]),
            default=purpose.value,
            show_default=True,
            help="What the photos are to be shown for: whose consent counts.",
        )
        @wraps(command)
        def wrapped(
            archive: Archive,
            people: Sequence[str],
            classes: Sequence[str],
            years: Sequence[str],
            chosen: Sequence[str],
            purpose: str,
            **options: object,
        ) -> object:
            from classface_assets.services.exports.contents import (
                SelectionRequest,
                current_view,
                load_contents,
                resolve_selection,
            )
            from classface_assets.services.exports.documents import ExportSource

            view = current_view(archive)
            contents = load_contents(archive, view, Purpose(purpose))
            selection = resolve_selection(contents, view, SelectionRequest(people, classes, years, chosen))
            return command(ExportSource.of(archive.layout, contents, selection), **options)

        return wrapped

    return decorate


@dataclass(frozen=True)
class ExportReport:
    """What a command reports of the file that it wrote: what is in it, and warnings."""

    summary: str
    warnings: tuple[str, ...] = ()


def export_command(name: str, purpose: Purpose, default: str) -> Callable[[Callable[..., ExportReport]], click.Command]:
    """A command that writes a file of some photos: options that choose them, --out, what it reports and left out.

    The function gets the `ExportSource`, the file to write, open, and its own options.
    """
    path = click.Path(dir_okay=False, path_type=Path)

    def decorate(function: Callable[..., ExportReport]) -> click.Command:
        @export_group.command(name)
        @selection_options(purpose)
        @click.option("--out", type=path, default=default, show_default=True, help="The file to write.")
        @wraps(function)
        def command(source: ExportSource, out: Path, **options: object) -> None:
            with written_file(out) as target, target.open("wb") as file:
                report = function(source, file, **options)
            click.echo(f"{out}: {report.summary}.")
            for warning in (*report.warnings, *left_out(source)):
                click.echo(warning, err=True)

        return command

    return decorate


def print_options(title: str) -> Callable[[Callable[..., ExportReport]], Callable[..., ExportReport]]:
    """Add the options of PDFs; the function gets them as `PrintOptions`, after the file."""

    def decorate(function: Callable[..., ExportReport]) -> Callable[..., ExportReport]:
        @click.option("--title", default=title, show_default=True, help="The title of the document.")
        @click.option(
            "--paper", type=click.Choice(PAGE_SIZES), default="a4", show_default=True, help="The size of the paper."
        )
        @wraps(function)
        def wrapped(source: ExportSource, file: BinaryIO, title: str, paper: str) -> ExportReport:
            from classface_assets.albums.exports.print.document import PageSize, PrintOptions

            return function(source, file, PrintOptions(title, PageSize(paper)))

        return wrapped

    return decorate


@export_command("zip", Purpose.ALBUM, "photos.zip")
def zip_(source: ExportSource, file: BinaryIO) -> ExportReport:
    """The original photos as a ZIP file, with a manifest: who is in which photo, and what was left out and why."""
    from classface_assets.services.exports.photo_archive import prepare_archive

    with prepare_archive(source.layout, source.selected) as archive:
        size = archive.plan.size
        with progress_bar(size) as advance:
            done = 0
            for chunk in archive.stream():
                file.write(chunk)
                done += len(chunk)
                advance(done, size)
        lost = tuple(f"{path}: {reason}" for path, reason in archive.lost.items())
        return ExportReport(f"{counted(archive.photos, 'photo')}, {size / 1e6:,.1f} MB", lost)


@export_command("contact-sheet", Purpose.ALBUM, "contact-sheet.pdf")
@print_options("Contact sheet")
def contact_sheet(source: ExportSource, file: BinaryIO, options: PrintOptions) -> ExportReport:
    """The best portrait of each student with the name, class by class, as a PDF for print."""
    from classface_assets.services.exports.documents import print_contact_sheet

    with progress_bar(1) as advance:
        return print_report(print_contact_sheet(source, options, file, advance))


@export_command("pdf", Purpose.ALBUM, "album.pdf")
@print_options("Photo album")
def pdf(source: ExportSource, file: BinaryIO, options: PrintOptions) -> ExportReport:
    """The photos with the names of who is in them, row by row, as a PDF for print."""
    from classface_assets.services.exports.documents import print_photo_album

    with progress_bar(1) as advance:
        return print_report(print_photo_album(source, options, file, advance))


@export_command("pspa", Purpose.YEARBOOK, "pspa.zip")
@click.option(
    "--volume", default="School", show_default=True, help="The name of the school, in every line of the index."
)
def pspa(source: ExportSource, file: BinaryIO, volume: str) -> ExportReport:
    """The best portraits of a school year for a yearbook: INDEX.TXT (PSPA) and 8 × 10 crops, as a ZIP file."""
    from classface_assets.services.exports.documents import write_pspa

    with progress_bar(1) as advance:
        result = write_pspa(source, volume, file, advance)
    warnings = []
    if result.without:
        warnings.append(f"Without a portrait: {len(result.without):,}: {', '.join(result.without)}")
    if result.enlarged:
        warnings.append(f"Enlarged more than twice, so perhaps not sharp: {', '.join(result.enlarged)}")
    if result.not_shown:
        warnings.append(f"Left out, as they may not be shown: {counted(result.not_shown, 'student')} of the roster.")
    return ExportReport(counted(result.portraits, "portrait"), tuple(warnings))


@export_command("table", Purpose.ALBUM, "faces.csv")
@click.option("--format", "table_format", type=click.Choice(TABLE_FORMATS), help="The format [by the ending of --out].")
def table(source: ExportSource, file: BinaryIO, table_format: str | None) -> ExportReport:
    """Who is where, a row a named face: photo, event, name, class, row and position, box, and how sure it is."""
    from classface_assets.albums.exports.tables import TableFormat, encode_table, face_table

    out: Path = click.get_current_context().params["out"]
    ending = out.suffix.lower().removeprefix(".")
    if table_format is None and ending not in TABLE_FORMATS:
        raise click.UsageError(
            f"Name --out with the ending .csv, .xlsx or .parquet, or give --format; {out} has neither."
        )
    rows = face_table(source.selected, source.contents.roster)
    file.write(encode_table(rows, TableFormat(table_format or ending)))
    photos = counted(source.selected.photos.height, "photo")
    return ExportReport(f"{counted(rows.height, 'named face')} in {photos}")


def print_report(printed: PrintedDocument) -> ExportReport:
    """How many pages a PDF has, and which characters it lacks."""
    warning = (
        f"No font has these characters, and squares stand for them: {' '.join(sorted(printed.missing))}. "
        "Install a font that has them, such as one of the Noto family."
    )
    return ExportReport(counted(printed.pages, "page"), (warning,) if printed.missing else ())


def left_out(source: ExportSource) -> Iterator[str]:
    """What is left out of an export, and why."""
    selected = source.selected
    if selected.withheld:
        yield f"Left out, as somebody may not be shown: {counted(selected.withheld, 'photo')}."
    if selected.covered:
        yield f"With a covered face: {counted(selected.covered, 'photo')}."


def counted(number: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "photo"), counted(1200, "photo")
    ('1 photo', '1,200 photos')
    """
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


@contextmanager
def written_file(out: Path) -> Iterator[Path]:
    """A temporary file that takes the place of `out` when it is whole.

    Raises:
        UserError: It cannot be written there.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        yield part
        part.replace(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def progress_bar(length: int) -> Iterator[Callable[[int, int], None]]:
    """A bar in a terminal; called with what is done and what there is in all."""
    with click.progressbar(length=length, show_pos=False, update_min_steps=1) as bar:

        def advance(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield advance


COMMANDS = (export_group,)
