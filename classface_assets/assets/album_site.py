"""The asset `album_site`: the index, a page for each student across the years, and the coverage report."""

from dataclasses import asdict

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.assets.albums import albums, shown_in_albums
from classface_assets.assets.common import OWNERS, PUBLISH_POOL, result
from classface_assets.assets.identities import identities
from classface_assets.assets.stamped import stamp_of, stamped, unchanged
from classface_assets.automation.conditions import WHEN_ALL_ALBUMS_ARE_READY
from classface_assets.failures import says_it_in_a_sentence
from classface_assets.resources import Archive
from classface_assets.site.listing import files_of_site, seen_by_site
from classface_assets.site.mirror import mirror
from classface_assets.site.school import build_site
from classface_assets.store.layout import Layout
from classface_assets.store.stamps import Stamp


class SiteConfig(dg.Config):
    school: str = Field(default="", description="The school's name, as the index's title.")


@dg.asset(
    deps=[albums, identities],
    group_name="albums",
    kinds={"html"},
    owners=OWNERS,
    pool=PUBLISH_POOL,
    automation_condition=WHEN_ALL_ALBUMS_ARE_READY,
)
@says_it_in_a_sentence
def album_site(config: SiteConfig, archive: Archive) -> dg.MaterializeResult:
    """The album's index, every student growing up across the years, and the report of what was found and what was not.

    Open `albums/index.html` in a browser; it needs no server.
    """
    layout = archive.layout
    out, home = layout.albums, layout.published_albums
    photos, faces = shown_in_albums(archive)
    years = sorted(set(photos["school_year"]))
    stamp = stamp_of_site(layout, photos, faces, config)
    told = unchanged(stamp)
    if told is None:
        site = build_site(out, years, photos, faces, config.school)
        told = result(
            site.pages,
            named_students=site.named,
            unknown_students=site.unknown,
            school_years=site.years,
            removed=list(site.removed),
            index=dg.MetadataValue.path(str((home or out) / "index.html")),
        )
        told = stamped(stamp, told, files_of_site(out), removed=[])
    if home is None:
        return told
    return dg.MaterializeResult(metadata={**(told.metadata or {}), **asdict(mirror(out, home, thorough=True))})


def stamp_of_site(layout: Layout, photos: pl.DataFrame, faces: pl.DataFrame, config: SiteConfig) -> Stamp:
    """The stamp of the site, to be made of all files, of all `appearances`, and of the albums that are there."""
    years = sorted(set(photos["school_year"]))
    made_of = photos, faces, seen_by_site(layout.albums, years, photos, faces), config.model_dump()
    return stamp_of(layout, "album_site", made_of, str(layout.data))
