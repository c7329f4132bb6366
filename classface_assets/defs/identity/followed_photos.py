"""What `face_tables` does first: find photos that were rotated, edited or copied, so that decisions follow them."""

from typing import Any

import polars as pl

from classface_assets.defs.memoized import archive_state, input_fingerprint
from classface_assets.defs.metadata import markdown_table
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.photos.followed_photos import follow_photos
from classface_assets.store.catalog.photo_records import LOST_LABELS
from classface_assets.store.files.parquet import read_parquet_or_empty


def follow_photos_if_changed(archive: Archive, models: Models) -> dict[str, Any]:
    """Search the photos for those with decisions, unless neither photos nor decisions changed since the last search.

    Returns:
        What to report of it, as metadata.
    """
    layout, pairs, erased_again = archive.layout, 0, 0
    tables = [layout.table("lost_labels"), layout.table("photos_with_decisions")]
    if input_fingerprint(layout, "photos_followed", archive_state(archive, models)).cached_metadata() is None:
        found = follow_photos(archive, models, archive.sound_catalog(models))
        # The pairs were written to the ledger, which is an input: the fingerprint is another one now.
        input_fingerprint(layout, "photos_followed", archive_state(archive, models)).record({}, tables)
        pairs, erased_again = len(found.pairs), found.erased_again
    lost = read_parquet_or_empty(tables[0], LOST_LABELS)
    files = lost.group_by("path", "school_year").agg(pl.len().alias("labelled faces")).sort("school_year", "path")
    return {
        "photos_found_to_show_the_same": pairs,
        "faces_of_erased_people_taken_out": erased_again,
        "labelled_faces_in_no_photo": lost.height,
        "labelled_faces_in_no_photo_by_file": markdown_table(files, most=50),
    }
