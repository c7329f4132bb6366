"""Erasing a person: what was made of their faces is gone from every version, stays gone, and a receipt says so."""

import json
import os
import shutil
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from classface_assets.core.atomic_files import temporary_path
from classface_assets.orchestration.resources import Models
from classface_assets.orchestration.school_year_runs.partitions import register_school_years
from classface_assets.review.context import ReviewContext
from classface_assets.review.problems import NotFoundError
from classface_assets.services.erasure import erase_person, find_person_to_erase, finish_erasures
from classface_assets.services.queries import find_faces
from classface_assets.store.decisions.exclusions import ERASED_REASON, drop_erased, erased_ids_in
from classface_assets.store.erasure.receipt import ErasureReceipt
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.ledger.database import open_engine
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.transaction import UnknownError
from classface_assets.store.model.face_ref import FaceRef
from classface_assets_tests.conftest import World

NAME = "Anastasia Unforgettable"


def named(world: World) -> set[str]:
    """Name the largest cluster; its face ids."""
    largest = world.query("SELECT cluster_id FROM clusters ORDER BY size DESC, cluster_id LIMIT 1").item()
    faces = find_faces(world.layout.database, largest)
    world.archive.open_ledger().label(NAME, faces)
    return {face.face_id for face in faces}


def every_face(world: World, asset: str) -> set[str]:
    """The ids in all parts of all versions of an asset."""
    files = list((world.folder / "data" / "parts" / asset).rglob("*.parquet"))
    assert files
    return set().union(*(pl.read_parquet(file, columns=["face_id"])["face_id"].drop_nulls() for file in files))


def files_that_hold(folder: Path, text: str) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def forgotten(world: World) -> tuple[set[str], ErasureReceipt]:
    ids = named(world)
    assert world.run() == []
    return ids, erase_person(world.archive, world.instance, NAME)


def test_nothing_is_left_of_a_person_who_was_erased(world: World) -> None:
    ids = named(world)
    assert world.run() == []
    assert ids <= every_face(world, "detections") and ids <= every_face(world, "embeddings")
    others = every_face(world, "embeddings") - ids
    assert files_that_hold(world.folder / "data" / "albums", NAME)
    assert len(files_that_hold(world.layout.ledger_backups, NAME)) == 1, "the run backed the ledger up"
    theirs = {face.face_id for face in find_person_to_erase(world.archive, NAME)[1]}
    database, tables_folder = world.layout.database, world.folder / "data" / "tables"
    inode, context = database.stat().st_ino, ReviewContext(world.archive, Models(pack="builtin"))
    shown, view = min(ids), context.view()
    assert context.images.chip(view, shown, 192).read() and list(tables_folder.glob("face_space*"))
    assert list(tables_folder.glob("pair_scores*")) and list(tables_folder.glob("face_terms*"))
    half = temporary_path(database)
    half.with_name(half.name.replace(f"~{os.getpid()}~", "~4194303~")).write_text(f"a killed process told of {NAME}")

    receipt = erase_person(world.archive, world.instance, NAME)
    assert ids <= theirs and receipt.face_count == len(theirs)
    assert not theirs & (every_face(world, "detections") | every_face(world, "embeddings"))
    assert others - theirs == every_face(world, "embeddings"), "nobody else has lost a face"
    assert not {file.stem for file in world.layout.albums.rglob("*.jpg")} & theirs
    assert not set(world.query("SELECT id FROM face_instances")["id"]) & theirs
    tables = [pl.read_parquet(file) for file in (world.folder / "data" / "tables").glob("*.parquet")]
    assert not {face for rows in tables if "face_id" in rows.columns for face in rows["face_id"]} & theirs
    assert files_that_hold(world.folder / "data", NAME) == []
    assert database.stat().st_ino != inode and world.query("CALL pragma_database_size()")["free_blocks"].sum() == 0
    assert not list(tables_folder.glob("face_space*")), "a mark of each face that was measured is in it"
    assert not list(tables_folder.glob("pair_scores*")), "how similar their groups were to others is in it"
    assert not list(tables_folder.glob("face_terms*")), "how similar each face was to others is in it"
    context.view()
    with pytest.raises(NotFoundError):
        context.images.chip(view, shown, 192).read()  # a server that runs on learns of it, whoever erased
    vectors = sum(one.count for one in receipt.removed if one.what == "vectors")
    assert "backups with names and birthdays" in {one.what for one in receipt.removed}
    assert vectors == len(theirs) and "face crops" in {one.what for one in receipt.removed}
    assert receipt.photos and all((world.folder / "photos" / path).exists() for path in receipt.photos)
    assert NAME not in json.dumps(receipt.to_json()) and NAME not in "\n".join(receipt.lines())


def test_who_was_erased_is_not_found_again_by_any_search(world: World) -> None:
    ids, _ = forgotten(world)
    before = every_face(world, "detections")
    assert world.run() == []
    assert every_face(world, "detections") == before and not ids & every_face(world, "embeddings")
    year = world.query("SELECT school_year FROM image_assets ORDER BY 1 LIMIT 1").item()
    register_school_years(world.instance, world.layout)
    looser = {"detections": {"config": {"min_confidence": 0.45}}}
    assert world.chain.run_job("ingest_year", year, looser) == []
    assert not ids & (every_face(world, "detections") | every_face(world, "embeddings"))


def test_an_erasure_that_was_killed_is_finished_by_the_next(world: World) -> None:
    ids = named(world)
    person, faces = find_person_to_erase(world.archive, NAME)
    world.archive.open_ledger().erase(person.id, faces)
    year = world.query(f"SELECT school_year FROM image_assets WHERE asset_id = '{faces[0].asset_id}'")["school_year"][0]
    (vectors,) = (world.folder / "data" / "parts" / "embeddings").glob(f"*/{year}")
    shutil.rmtree(vectors)
    register_school_years(world.instance, world.layout)
    assert world.chain.run_job("ingest_year", year) == [] and ids <= every_face(world, "detections")
    assert not ids & PartDataset(vectors, ("face_id",)).ids("face_id"), "erased from the moment of the decision on"
    receipt = finish_erasures(world.archive, world.instance)
    assert receipt.face_count == len(ids) and not ids & every_face(world, "embeddings")
    assert files_that_hold(world.folder / "data", NAME) == []
    assert finish_erasures(world.archive, world.instance).removed == ()
    with pytest.raises(UnknownError, match="Nobody is called"):
        erase_person(world.archive, world.instance, NAME)


def test_the_ledger_refuses_changes_as_before_once_a_name_is_taken_out(world: World) -> None:
    forgotten(world)
    with pytest.raises(sa.exc.DatabaseError), open_engine(world.layout.ledger_url, True).begin() as con:
        con.exec_driver_sql("UPDATE events SET actor = 'nobody'")
    assert Ledger(world.layout.ledger_url).label("Somebody else", find_faces(world.layout.database, _any(world))).faces


def _any(world: World) -> str:
    return str(world.query("SELECT id FROM face_instances LIMIT 1").item())


def test_a_photo_that_loses_its_last_face_counts_as_searched() -> None:
    boxes = {"bbox_x": [0.0, 50.0, 0.0], "bbox_y": [0.0] * 3, "bbox_w": [20.0] * 3, "bbox_h": [20.0] * 3}
    rows = pl.DataFrame(
        {"asset_id": ["a", "a", "b"], "face_id": ["1", "2", "3"], "status": ["ok"] * 3, "reason": [""] * 3, **boxes}
        | {"rotation": [0, 0, 90], "phash": ["x", "x", "y"], "chip": [b"c"] * 3}
    )
    # The second is known under another detector's box, which overlaps by two thirds.
    erased = {"9": FaceRef("9", "a", (54.0, 0.0, 20.0, 20.0)), "3": FaceRef("3", "b", (0.0, 0.0, 20.0, 20.0))}
    assert erased_ids_in(rows, erased) == {"2", "3"}
    left = drop_erased(rows, erased)
    assert left["face_id"].to_list() == ["1", None] and left["asset_id"].to_list() == ["a", "b"]
    blank = left.row(1, named=True)
    assert (blank["status"], blank["reason"], blank["rotation"], blank["phash"]) == ("no face", ERASED_REASON, 90, "y")
    assert blank["chip"] is None and blank["bbox_x"] is None
    assert drop_erased(left, erased).equals(left)
