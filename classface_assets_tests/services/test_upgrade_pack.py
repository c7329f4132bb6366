"""An archive whose vectors `builtin` made with dlib's network: it goes on with SFace, or with the pack `dlib`."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from classface_assets.orchestration.configured_resources import resolve_models
from classface_assets.services.archive_view.pack_change import pack_change_note
from classface_assets.services.maintenance import find_unused_data
from classface_assets.store.artifacts.thresholds import load_thresholds, save_thresholds
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.maintenance.pruning import UnusedData, prune
from classface_assets.vision.models.pack_info import BUILTIN_DETECTOR, BUILTIN_PACK, DLIB_PACK
from classface_assets_tests.conftest import World
from classface_assets_tests.support.old_archive import YEARS, OldArchive, open_world

pytestmark = pytest.mark.slow


@pytest.fixture
def untouched(made_before_present_layout: Path, tmp_path: Path) -> Iterator[World]:
    """A copy of the old archive, opened with the pack `builtin` and not yet run."""
    for name in ("archive", "records"):
        shutil.copytree(made_before_present_layout / name, tmp_path / name)
    world = open_world(tmp_path, "builtin")
    with world.instance:
        yield world


def vectors_of(world: World, key: str) -> pl.DataFrame:
    stores = (SchoolYearStore(world.layout, BUILTIN_DETECTOR, year) for year in YEARS)
    frames = [store.embedding_parts(key).read() for store in stores]
    return pl.concat([frame for frame in frames if frame.width]) if any(frame.width for frame in frames) else frames[0]


def names_of(world: World) -> dict[str, set[str]]:
    rows = world.query("SELECT p.name, f.id FROM face_instances f JOIN persons p ON p.id = f.person_id")
    return {name: set(rows.filter(pl.col("name") == name)["id"]) for name in rows["name"].unique()}


def unused_vectors(world: World, *packs: str) -> list[UnusedData]:
    found = find_unused_data(world.archive, [resolve_models(pack) for pack in packs])
    return [one for one in found if one.kind == "vectors of packs not in use"]


def test_another_network_searches_no_photo_again_and_embeds_every_face(run_with_builtin: OldArchive) -> None:
    world = run_with_builtin.world
    for year in YEARS:
        assert world.number("detections", "photos_searched_now", year) == 0
        assert world.number("embeddings", "embedded_now", year) > 10
    old, new = vectors_of(world, DLIB_PACK.key), vectors_of(world, BUILTIN_PACK.key)
    assert set(new["face_id"]) == set(old["face_id"])
    both = old.join(new, on="face_id", suffix="_new")
    assert not both["vector"].equals(both["vector_new"])


def test_another_network_leaves_the_vectors_of_before_unchanged(
    run_with_builtin: OldArchive, made_before_present_layout: Path
) -> None:
    before, after = made_before_present_layout / "archive" / "data", run_with_builtin.world.folder / "data"
    parts = [file.relative_to(before) for file in before.glob("parts/embeddings/*/*/*.parquet")]
    assert parts and all((after / part).read_bytes() == (before / part).read_bytes() for part in parts)


def test_names_refusals_and_erasure_hold_with_another_network(run_with_builtin: OldArchive) -> None:
    world, recorded = run_with_builtin.world, run_with_builtin.recorded
    found = names_of(world)
    for name, faces in recorded["labelled"].items():
        assert set(faces) <= found[name]
    assert not set(recorded["rejected"][1]) & found[recorded["rejected"][0]]
    pages = "\n".join(page.read_text() for page in world.layout.albums.rglob("*.html"))
    assert recorded["withdrawn"] not in pages and recorded["erased"]["name"] not in pages


def test_the_change_of_the_network_is_said_in_one_sentence_until_it_is_done(
    untouched: World, run_with_builtin: OldArchive
) -> None:
    note = pack_change_note(untouched.layout, BUILTIN_PACK)
    faces = vectors_of(untouched, DLIB_PACK.key).height
    assert f"{faces} faces get new vectors once" in note and "`--pack dlib`" in note
    assert "\n" not in note and note.count(". ") == 0 and note.endswith(".")
    assert pack_change_note(untouched.layout, DLIB_PACK) == ""
    assert pack_change_note(run_with_builtin.world.layout, BUILTIN_PACK) == ""


def test_the_command_says_it_before_it_starts(untouched: World, tmp_path: Path) -> None:
    folder = ["--photos", str(untouched.layout.photos), "--data", str(untouched.layout.data)]
    command = [sys.executable, "-m", "classface_assets.cli", "run", *folder, "--years", "1999-2000"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "get new vectors once" in ended.stderr and ended.returncode == 1  # there is no such school year
    ended = subprocess.run([*command, "--pack", "dlib"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "get new vectors" not in ended.stderr


def test_what_was_fitted_to_the_vectors_of_before_is_not_used_for_the_new_ones(untouched: World) -> None:
    save_thresholds(untouched.layout, DLIB_PACK.key, "temporal", {"cluster_threshold": 0.94})
    assert load_thresholds(untouched.layout, BUILTIN_PACK.key, "temporal") == {}
    assert load_thresholds(untouched.layout, DLIB_PACK.key, "temporal") == {"cluster_threshold": 0.94}


def test_vectors_of_before_are_unused_only_once_the_new_ones_are_there(
    untouched: World, run_with_builtin: OldArchive
) -> None:
    assert unused_vectors(untouched, "builtin") == []
    assert unused_vectors(untouched, "dlib") == []
    done = run_with_builtin.world
    (left,) = unused_vectors(done, "builtin")
    assert DLIB_PACK.key in left.where
    (other,) = unused_vectors(done, "dlib")
    assert BUILTIN_PACK.key in other.where
    assert unused_vectors(done, "builtin", "dlib") == []


def test_faces_of_deleted_photos_leave_the_vectors_that_are_still_needed(untouched: World) -> None:
    (photo, *_) = (untouched.layout.photos / YEARS[0] / "portraits").glob("portrait_*")
    world = World(untouched.folder, untouched.instance, "dlib")
    photo.unlink()
    assert world.run() == []
    before = vectors_of(untouched, DLIB_PACK.key).height
    found = find_unused_data(untouched.archive, [resolve_models("builtin")])
    assert any(one.kind == "vectors of faces no longer there" for one in found)
    prune(untouched.layout, found)
    assert before - 3 <= vectors_of(untouched, DLIB_PACK.key).height < before
