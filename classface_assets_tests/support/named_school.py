"""A school of three photos, published with the names of everybody in them, for tests of who may be shown."""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from classface_assets.albums.pages.links import find_broken_links
from classface_assets.albums.pages.site import build_site
from classface_assets.albums.pages.year_page import YearContents, build_year_album
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.albums.albums import album_contents, site_contents
from classface_assets.orchestration.resources import Archive, RefusedMode
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.face_ref import FaceRef
from classface_assets_tests.support.helpers import add_detections, add_images, add_vectors, face_rows, published

YEAR = "2019-2020"
PEOPLE = {"class": ("Anna", "Ben", "Cem"), "pair": ("Ben", "Cem"), "anna": ("Anna",)}
"""Who is in each photo, from left to right: see face_rows."""
ANNA = (10.0, 10.0, 80.0, 80.0)
TAKEN, CHANGED_NS = "2019:10:02 09:30:00", 1_570_000_000_000_000_000


@dataclass(frozen=True)
class School:
    """Three photos, published with the names of everybody in them, and what people said since."""

    layout: ArchiveLayout
    refused: RefusedMode = "withhold"

    @property
    def archive(self) -> Archive:
        return Archive(photos=str(self.layout.photos), data=str(self.layout.data), refused=self.refused)

    @property
    def ledger(self) -> Ledger:
        return self.archive.open_ledger()

    def original(self, name: str) -> Path:
        return Path(str(self.layout.photos)) / YEAR / f"{name}.jpg"

    def face(self, face_id: str) -> FaceRef:
        """A face as it was labelled."""
        label = self.ledger.decisions().labels[face_id]
        return FaceRef(face_id, label.asset_id, label.box)

    def build(self) -> Path:
        """The album and the pages over all years; nothing is recognised or published anew."""
        out = self.layout.albums
        build_year_album(out, self.layout.photos, YearContents(YEAR, *album_contents(self.archive, YEAR)))
        build_site(out, [YEAR], site_contents(self.archive))
        assert find_broken_links(out) == []
        return out

    def shown(self, name: str) -> list[Path]:
        """The thumbnails of a photo."""
        return sorted((self.layout.albums / "thumbs").rglob(f"{name}-*"))


def noise() -> Image.Image:
    """A picture in which no two places look alike."""
    cells = np.random.default_rng(3).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((640, 480), Image.Resampling.NEAREST)


@pytest.fixture
def school(layout: ArchiveLayout) -> School:
    """Anna, Ben and Cem, named in every photo; nobody said anything of consent."""
    made = School(layout)
    made.original("class").parent.mkdir(parents=True)
    small = io.BytesIO()
    noise().resize((160, 120)).save(small, "JPEG")
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "Anna at school"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = TAKEN
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = small.getvalue()
    ledger, rows = made.ledger, []
    for photo, people in PEOPLE.items():
        noise().save(made.original(photo), quality=95, exif=exif)
        os.utime(made.original(photo), ns=(CHANGED_NS, CHANGED_NS))
        for n, name in enumerate(people):
            box = (10.0 + 100 * n, 10.0, 80.0, 80.0)
            person = ledger.label(name, [FaceRef(f"{photo}{n}", photo, box)]).person.id
            rows.append((f"{photo}{n}", f"person_{person}", person, 1.0, "labelled"))
    add_images(layout, YEAR, *((photo, f"{photo}.jpg") for photo in PEOPLE))
    add_detections(layout, YEAR, *(face_rows(p, *(f"{p}{n}" for n in range(len(who)))) for p, who in PEOPLE.items()))
    add_vectors(layout, YEAR, *(f"{p}{n}" for p, who in PEOPLE.items() for n in range(len(who))))
    published(layout, ledger.events(), rows)
    return made
