"""A school of four files, one turned by its EXIF orientation, in which other programs may have named faces."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import ExifTags, Image

from classface_assets.core.geometry import Box
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import IMAGES
from classface_assets.orchestration.resources import Archive
from classface_assets.services.archive_view.cache import read_snapshot
from classface_assets.services.archive_view.model import ArchiveView, build_archive_view
from classface_assets.services.face_regions.metadata.frames import to_stored_fractions
from classface_assets.services.face_regions.metadata.model import PhotoFrame, Region
from classface_assets.services.face_regions.metadata.packet_update import OwnedNames, TargetNames, update_packet
from classface_assets.services.face_regions.reading import ReadOptions, ReadReport, read_names
from classface_assets.services.face_regions.writing import WriteOptions, WriteReport, write_names
from classface_assets.store.catalog.school_year import image_parts
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.vision.photo_facts import read_photo_facts
from classface_assets_tests.support.helpers import add_detections, add_vectors, face_rows, published

YEAR = "2019-2020"
NAMES = ("Anna", "Ben", "Cem")
"""The faces of each photo, from left to right; see face_rows."""


@dataclass(frozen=True)
class Archived:
    """An archive with its photos: `class` upright, `turned` of orientation 6, `copy` of `class`, and a PNG."""

    archive: Archive
    faces: dict[str, tuple[FaceRef, ...]]

    @property
    def layout(self) -> ArchiveLayout:
        return self.archive.layout

    @property
    def ledger(self) -> Ledger:
        return self.archive.open_ledger()

    @property
    def view(self) -> ArchiveView:
        events = self.ledger.events()
        return build_archive_view(read_snapshot(self.layout.database, events), events)

    def file(self, name: str) -> Path:
        return Path(str(self.layout.photos)) / YEAR / name

    def frame(self, photo: str) -> PhotoFrame:
        return PhotoFrame((480, 640), 6) if photo == "turned" else PhotoFrame((640, 480))

    def box(self, photo: str, number: int) -> Box:
        """The face of that number as fractions of the stored picture."""
        return to_stored_fractions(self.faces[photo][number].box, self.frame(photo))

    def packet(self, photo: str, names: Sequence[str]) -> bytes:
        """A packet that names the faces of a photo; an empty name leaves its face out."""
        regions = [Region(name, self.box(photo, n)) for n, name in enumerate(names) if name]
        data = update_packet(None, TargetNames(tuple(regions), self.frame(photo).stored), OwnedNames()).data
        assert data is not None
        return data

    def read(self, **options: object) -> ReadReport:
        return read_names(self.archive, self.view, ReadOptions(**options))  # type: ignore[arg-type]

    def write(self, **options: object) -> WriteReport:
        return write_names(self.archive, self.view, WriteOptions(**options))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def bare_archive(tmp_path_factory: pytest.TempPathFactory) -> Archived:
    """Nobody is named. Tests only copy it."""
    folder = tmp_path_factory.mktemp("bare")
    return _make(ArchiveLayout(folder / "photos", folder / "data"))


@pytest.fixture(scope="session")
def named_archive(bare_archive: Archived, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    """Everybody is named in every photo. Tests only copy it."""
    made = _copy(bare_archive, tmp_path_factory.mktemp("named") / "archive")
    for number, name in enumerate(NAMES):
        made.ledger.label(name, [some[number] for some in made.faces.values()])
    return made


@pytest.fixture
def archived(bare_archive: Archived, tmp_path: Path) -> Archived:
    """Nobody is named yet."""
    return _copy(bare_archive, tmp_path / "archive")


@pytest.fixture
def named(named_archive: Archived, tmp_path: Path) -> Archived:
    """Everybody is named in every photo."""
    return _copy(named_archive, tmp_path / "archive")


def _copy(made: Archived, folder: Path) -> Archived:
    shutil.copytree(Path(str(made.layout.data)).parent, folder)
    return Archived(Archive(photos=str(folder / "photos"), data=str(folder / "data")), made.faces)


def _make(layout: ArchiveLayout) -> Archived:
    folder = Path(str(layout.photos)) / YEAR
    folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    _noise(1).save(folder / "class.jpg", quality=90)
    _noise(2).save(folder / "turned.jpg", quality=90, exif=exif)
    _noise(3).save(folder / "drawing.png")
    (folder / "copy.jpg").write_bytes((folder / "class.jpg").read_bytes())
    rows, faces = [], dict[str, tuple[FaceRef, ...]]()
    detections = []
    for name in ("class.jpg", "copy.jpg", "drawing.png", "turned.jpg"):
        facts = read_photo_facts(folder / name)
        row = {column: getattr(facts, column, None) for column in IMAGES if column != "dates"}
        rows.append({**row, "path": f"{YEAR}/{name}", "school_year": YEAR, "status": "ok", "dates": []})
        photo = name.partition(".")[0]
        if photo == "copy":
            continue
        ids = [f"{photo}{n}" for n in range(3)]
        detections.append(face_rows(facts.asset_id, *ids))
        faces[photo] = tuple(
            FaceRef(face, facts.asset_id, (10.0 + 100 * n, 10.0, 80.0, 80.0)) for n, face in enumerate(ids)
        )
    image_parts(layout, YEAR).append(pl.DataFrame(rows, schema=IMAGES))
    add_detections(layout, YEAR, *detections)
    add_vectors(layout, YEAR, *(face.face_id for some in faces.values() for face in some))
    archive = Archive(photos=str(layout.photos), data=str(layout.data))
    published(layout, archive.open_ledger().events(), [(f.face_id, "", None) for some in faces.values() for f in some])
    return Archived(archive, faces)


def _noise(seed: int) -> Image.Image:
    cells = np.random.default_rng(seed).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((640, 480), Image.Resampling.NEAREST)
