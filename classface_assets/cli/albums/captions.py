"""`classface captions`: who is where in class photos, row by row, as text or as a file for the yearbook's layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import archive_options
from classface_assets.cli.completion import complete_years
from classface_assets.store.model.purposes import Purpose

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive


@click.command()
@archive_options
@click.option("--year", shell_complete=complete_years, help="The school year whose class photos get captions.")
@click.option("--photo", "photo", help="One photo instead: its path in the photos folder, or its id.")
@click.option("--min-faces", type=click.IntRange(min=1), help="How many faces a photo needs to get a caption [7].")
@click.option(
    "--purpose",
    type=click.Choice([purpose.value for purpose in Purpose]),
    default=Purpose.ALBUM.value,
    show_default=True,
    help="What the captions are for; whoever refused it is `a student`.",
)
@click.option("--out", type=click.Path(dir_okay=False), help="A .csv or .txt file to write instead of printing.")
def captions(
    archive: Archive, year: str | None, photo: str | None, min_faces: int | None, purpose: str, out: str | None
) -> None:
    """Captions of class photos: who is where, row by row from left to right.

    Names that are missing are marked, and so is each row and place that is not certain. With --year those of all
    photos of a school year with many faces.
    """
    if (year is None) == (photo is None):
        raise click.UsageError("Give either --year or --photo.")
    if photo is not None and min_faces is not None:
        raise click.UsageError("--min-faces chooses among the photos of a --year; leave it out with --photo.")
    from classface_assets.albums.captions import caption_lines
    from classface_assets.services.archive_view.cache import ArchiveViewCache
    from classface_assets.services.photos.captions import (
        CAPTION_FACES,
        CaptionSource,
        caption_file,
        photo_caption,
        year_captions,
    )
    from classface_assets.services.queries import find_photo

    database, ledger = archive.layout.database, archive.open_ledger()
    source = CaptionSource(ArchiveViewCache(database, ledger).current(), database, ledger, Purpose(purpose))
    if photo is not None:
        found = [photo_caption(source, find_photo(database, photo))]
    else:
        found = year_captions(source, str(year), min_faces or CAPTION_FACES)
    if out is None:
        click.echo(caption_lines((one.school_year, one.path, one.caption) for one in found), nl=False)
        return
    caption_file(found, Path(out))
    doubtful = sum(not one.caption.sure for one in found)
    click.echo(
        f"Captions written to {out}: {len(found):,}; with a place to check: {doubtful:,}; "
        f"names missing: {sum(one.caption.missing for one in found):,}."
    )


COMMANDS = (captions,)
