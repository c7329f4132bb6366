"""What the page and the REST API offer of a selection: numbers, file names, and the files that take a while to make."""

from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

import polars as pl

from classface_assets.albums.exports.print.document import PageSize, PrintOptions
from classface_assets.albums.names import album_file_name
from classface_assets.core.languages import current_language, format_number, gettext, use_language
from classface_assets.services.exports.documents import (
    ExportSource,
    PspaResult,
    print_contact_sheet,
    print_photo_album,
    write_pspa,
)
from classface_assets.services.exports.jobs import ExportWriter, ProgressCallback

PDF, ZIP = "application/pdf", "application/zip"


class DocumentKind(StrEnum):
    """The exports that are made before they can be downloaded."""

    CONTACT_SHEET = "contact-sheet"
    ALBUM = "album"
    YEARBOOK = "yearbook"


MEDIA_TYPES = {DocumentKind.CONTACT_SHEET: PDF, DocumentKind.ALBUM: PDF, DocumentKind.YEARBOOK: ZIP}
_NAMES = {
    DocumentKind.CONTACT_SHEET: "contact sheet.pdf",
    DocumentKind.ALBUM: "album.pdf",
    DocumentKind.YEARBOOK: "yearbook portraits.zip",
}


@dataclass(frozen=True)
class ExportSummary:
    """The numbers of a selection: photos, named people and faces in them, and what is left out or covered."""

    photos: int
    people: int
    named_faces: int
    withheld: int
    covered: int
    unreadable: int


def summarize_source(source: ExportSource) -> ExportSummary:
    """The numbers of a selection."""
    selected = source.selected
    return ExportSummary(
        photos=selected.photos.height,
        people=selected.subjects["person_id"].n_unique(),
        named_faces=selected.subjects.height,
        withheld=selected.withheld,
        covered=selected.covered,
        unreadable=selected.unreadable.height,
    )


def selection_name(source: ExportSource) -> str:
    """What a selection is called, for titles and names of files; "photos" if it has no better name."""
    selection, faces = source.selection, source.contents.faces
    names = faces.filter(pl.col("person_id").is_in(selection.people))["person_name"].unique(maintain_order=True)
    parts = [*names.to_list()[:3], *selection.classes[:3], *selection.years[:3]]
    return ", ".join(parts) or "photos"


def file_name(source: ExportSource, ending: str) -> str:
    """The name of an exported file, valid everywhere."""
    return album_file_name(f"{selection_name(source)}.{ending}".replace("/", "-"))


def document_name(source: ExportSource, kind: DocumentKind) -> str:
    """The name of the file of a document."""
    return album_file_name(f"{selection_name(source)}, {_NAMES[kind]}".replace("/", "-"))


def document_writer(source: ExportSource, kind: DocumentKind, title: str, page: PageSize) -> ExportWriter:
    """What writes a document.

    Args:
        source: The selection.
        kind: Which document.
        title: Its title, or the name of the school for a yearbook; "" for the name of the selection.
        page: The size of the paper.
    """
    named, reader = title or selection_name(source), current_language()

    def write(out: BinaryIO, progress: ProgressCallback) -> tuple[str, ...]:
        if kind is DocumentKind.YEARBOOK:
            return _yearbook_notes(write_pspa(source, title or "School", out, progress), reader)
        print_ = print_contact_sheet if kind is DocumentKind.CONTACT_SHEET else print_photo_album
        printed = print_(source, PrintOptions(named, page), out, progress)
        missing = " ".join(sorted(printed.missing))
        with use_language(reader):
            note = gettext("No font has these characters, and squares stand for them: %(missing)s", missing=missing)
        return (note,) if missing else ()

    return write


def _yearbook_notes(result: PspaResult, reader: str) -> tuple[str, ...]:
    notes = []
    with use_language(reader):
        if result.without:
            notes.append(gettext("Without a portrait: %(names)s.", names=", ".join(result.without)))
        if result.enlarged:
            names = ", ".join(result.enlarged)
            notes.append(gettext("Enlarged more than twice, so perhaps not sharp: %(names)s.", names=names))
        if result.not_shown:
            number = format_number(result.not_shown)
            notes.append(gettext("Left out, as they may not be shown: %(number)s on the roster.", number=number))
    return tuple(notes)
