"""Near duplicates: copies and bursts of a photo, and photos that only look like it."""

import uuid
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from classface_assets.identity.settings import settings_for
from classface_assets.vision.detection.pipeline import PhotoJob, detect_photos
from classface_assets.vision.models.registry import ModelPack
from classface_assets.vision.photos.decoding import load_photo
from classface_assets.vision.photos.near_duplicates import BURST_BITS, COPY_BITS, near_duplicate_groups, perceptual_hash
from classface_assets_tests.support.searched import SETTINGS, faces_in, save_as_photo, vectors_of


def hash_of(picture: Image.Image) -> str:
    return perceptual_hash(np.asarray(picture.convert("RGB")))


def bits_apart(a: str, b: str) -> int:
    return (int(a, 16) ^ int(b, 16)).bit_count()


def saved_small(picture: Image.Image) -> Image.Image:
    out = BytesIO()
    picture.resize((picture.width // 3, picture.height // 3)).save(out, "JPEG", quality=40)
    return Image.open(out)


def shot_again(picture: Image.Image, seed: int) -> Image.Image:
    """The same scene a moment later: a hand that moved by half a per cent, other light, other noise."""
    chance = np.random.default_rng(seed)
    dx, dy = (round(side * chance.uniform(-0.005, 0.005)) for side in picture.size)
    pixels = np.roll(np.asarray(picture), (dy, dx), (0, 1)) * chance.uniform(0.94, 1.06)
    return Image.fromarray((pixels + chance.normal(0, 4, pixels.shape)).clip(0, 255).astype(np.uint8))


def in_a_gown(face: Image.Image) -> Image.Image:
    """Full length before the backdrop of picture day: all but the head is the same for everybody."""
    photo = Image.new("RGB", (480, 800), (120, 110, 100))
    ImageDraw.Draw(photo).polygon([(200, 190), (280, 190), (330, 720), (150, 720)], fill=(20, 25, 60))
    oval = Image.new("L", (70, 86), 0)
    ImageDraw.Draw(oval).ellipse((0, 0, 70, 86), fill=255)
    photo.paste(face.resize(oval.size), (205, 104), oval)
    return photo


def test_copies_have_nearly_the_same_hash_and_other_photos_do_not(astronaut: Image.Image, group: Path) -> None:
    for photo in (astronaut, Image.open(group)):
        own = hash_of(photo)
        assert len(own) == 64
        assert bits_apart(own, hash_of(photo.convert("L"))) <= 4
        assert bits_apart(own, hash_of(saved_small(photo))) <= COPY_BITS / 2
        for seed in range(5):
            assert bits_apart(own, hash_of(shot_again(photo, seed))) <= BURST_BITS
        assert bits_apart(own, hash_of(photo.crop((40, 40, *photo.size)))) > COPY_BITS
    assert bits_apart(hash_of(astronaut), hash_of(Image.open(group))) > 2 * BURST_BITS


def looked_at(**photos: tuple[str, str | None, str]) -> pl.DataFrame:
    """Photos by name: their hash, when they were taken, and how that is known."""
    rows = [
        (name, "2019-2020", name, code, datetime.fromisoformat(at) if at else None, source)
        for name, (code, at, source) in photos.items()
    ]
    schema = ["asset_id", "school_year", "path", "phash", "taken_at", "taken_at_source"]
    return pl.DataFrame(rows, schema=schema, schema_overrides={"taken_at": pl.Datetime("us")}, orient="row")


def grouped(photos: pl.DataFrame, **faces: np.ndarray) -> dict[str, str]:
    """near_groups of photos whose faces have these vectors."""
    owners = pl.Series([name for name, vectors in faces.items() for _ in vectors], dtype=pl.String)
    vectors = np.concatenate(list(faces.values())) if faces else np.zeros((0, 0), np.float32)
    return dict(near_duplicate_groups(photos, owners, vectors, 0.7).iter_rows())


def test_copies_and_bursts_are_grouped_and_times_of_the_camera_tell_two_photos(
    astronaut: Image.Image, group: Path
) -> None:
    one, small, again, other = map(
        hash_of, (astronaut, saved_small(astronaut), shot_again(astronaut, 0), Image.open(group))
    )
    assert bits_apart(one, again) > 0
    apart = f"{int(one, 16) ^ ((1 << 30) - 1):064x}"  # 30 bits: too many for a copy, few enough for a burst
    at = "2019-11-05T10:15:30"
    found = grouped(looked_at(a=(one, at, "exif"), small=(small, None, ""), other=(other, at, "exif")))
    assert found == {"a": "a", "small": "a"}
    assert grouped(looked_at(a=(one, at, "exif"), b=(apart, "2019-11-05T10:15:32", "exif"))) == {"a": "a", "b": "a"}
    assert grouped(looked_at(a=(one, at, "exif"), b=(apart, "2019-11-05T10:15:42", "exif"))) == {}
    assert grouped(looked_at(a=(one, at, "exif"), b=(one, "2019-11-05T10:15:42", "exif"))) == {}
    assert len(grouped(looked_at(a=(one, at, "exif"), b=(one, "2019-11-06T08:00:00", "file name")))) == 2
    start = "2019-09-01T00:00:00"
    assert grouped(looked_at(a=(one, start, "school year"), b=(apart, start, "school year"))) == {}
    two_years = looked_at(a=(one, None, ""), b=(one, None, ""))
    two_years = two_years.with_columns(school_year=pl.Series(["2018-2019", "2019-2020"]))
    assert grouped(two_years) == {}
    assert grouped(looked_at()) == {} == grouped(looked_at(a=(one, at, "exif")))


def test_children_before_one_backdrop_are_never_a_near_duplicate(
    pack: ModelPack, astronaut: Image.Image, group: Path, tmp_path: Path
) -> None:
    heads = [astronaut.crop((160, 40, 300, 210))]
    large = Image.open(group)
    for box in faces_in(pack, load_photo(group).pixels).boxes:
        x, y, w, h = map(float, box)
        heads.append(large.crop((int(x - w / 4), int(y - h / 4), int(x + 1.25 * w), int(y + 1.25 * h))))
    children = [in_a_gown(head) for head in heads]
    photos = {f"child {n}": child for n, child in enumerate(children)}
    copies = {f"copy {n}": shot_again(child, n) for n, child in enumerate(children)}
    paths = {name: save_as_photo(p, tmp_path / f"{name}.jpg", quality=92) for name, p in (photos | copies).items()}
    hashes = {name: perceptual_hash(load_photo(path).pixels) for name, path in paths.items()}
    least = min(bits_apart(hashes[a], hashes[b]) for a in photos for b in photos if a < b)
    assert least <= BURST_BITS, "hash and time take two of these children for one burst"

    jobs = list(paths.items())
    searches = [PhotoJob(str(uuid.uuid5(uuid.NAMESPACE_URL, n)), p) for n, p in jobs]
    rows = pl.concat([searched.rows for searched in detect_photos(searches, pack.detector, SETTINGS)])
    names = {str(uuid.uuid5(uuid.NAMESPACE_URL, n)): n for n, _ in jobs}
    vectors = vectors_of(rows, pack)["vector"].to_numpy()
    owners = rows.drop_nulls("face_id")["asset_id"].replace_strict(names)
    assert owners.n_unique() == len(jobs)
    same_face = (1 + settings_for(pack.info.name).person_threshold) / 2
    seen = looked_at(**{name: (code, "2019-09-20T09:00:01", "exif") for name, code in hashes.items()})
    found = dict(near_duplicate_groups(seen, owners, vectors, same_face).iter_rows())
    groups = {frozenset(n for n, g in found.items() if g == first) for first in found.values()}
    assert all({name.split()[1] for name in members} == {min(members).split()[1]} for members in groups)
    assert len(groups) >= 5, "the shots of one child are found together"
