"""Portraits that people are enrolled with: what the ledger says of them, what is kept, what the matcher makes of it."""

from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs_from_frames import EmbeddedFaces
from classface_assets.identity.pipeline import assign_identities
from classface_assets.identity.settings import settings_for
from classface_assets.store.catalog.portraits import (
    portrait_prototypes,
    portrait_vectors,
    remove_portrait_chips,
    save_portrait,
)
from classface_assets.store.ledger.ledger import Ledger


def test_a_portrait_takes_the_place_of_another_follows_a_merge_and_goes_with_the_person(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    ana, anna = (ledger.create_person(name).person.id for name in ("Ana", "Anna"))
    ledger.set_portrait(ana, "old")
    newer = ledger.set_portrait(ana, "new").events[0]
    assert ledger.decisions().portraits == {ana: ((ana, "new"),)}
    ledger.undo(newer)
    ledger.set_portrait(anna, "hers")
    ledger.merge(ana, anna)
    assert ledger.decisions().portraits == {anna: ((ana, "old"), (anna, "hers"))}
    ledger.erase(anna)
    assert ledger.decisions().portraits == {}


def test_another_model_pack_embeds_each_chip_once_and_a_lost_chip_is_counted(tmp_path: Path) -> None:
    layout, embedded = ArchiveLayout(tmp_path / "photos", tmp_path / "data"), []

    def embed(chips: list[bytes]) -> np.ndarray:
        embedded.append(chips)
        return np.eye(3, dtype=np.float32)[: len(chips)]

    for person, chip in (("../ana", b"a"), ("ben", b"b")):
        save_portrait(layout, "first@1", (person, "f"), np.array([0, 0, 1], np.float32), chip)
    people = {"../ana": (("../ana", "f"), ("ben", "f")), "cem": (("cem", "never kept"),)}
    for _ in range(2):
        found, lost = portrait_prototypes(layout, "other@1", people, embed)
        assert list(found) == ["../ana"] and lost == 1 and embedded == [[b"a", b"b"]]
        assert np.allclose(found["../ana"], [0.5**0.5, 0.5**0.5, 0])
    assert portrait_vectors(layout, "first@1", people["../ana"]).tolist() == [[0, 0, 1], [0, 0, 1]]
    assert (
        remove_portrait_chips(layout, {"../ana"}) == 1
        and len(list((tmp_path / "data" / "portraits").rglob("*.jpg"))) == 1
    )


def test_who_is_known_by_a_portrait_alone_is_named_and_followed_through_the_years() -> None:
    """A face like the portrait; and, of another portrait, one that is not alike enough by itself, with its own year's
    fellow: only what they have in common with nobody else tells whose they are."""
    vectors = np.random.default_rng(0).normal(size=(43, 32)).astype(np.float32)
    vectors[:, :4] = 0
    vectors[:3] = 0
    for face, at, degrees in ((0, 0, 20), (1, 2, 60), (2, 2, 70)):
        vectors[face, at : at + 2] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faces = pl.DataFrame({"face_id": [f"{n:02}" for n in range(43)]}).with_columns(
        pl.col("face_id").alias("asset_id"),
        year=pl.lit(2010, pl.Int32),
        quality_score=pl.lit(0.9),
        school_year=pl.lit("2010-2011"),
    )
    portraits = {"ana": np.eye(32, dtype=np.float32)[0], "ben": np.eye(32, dtype=np.float32)[2]}
    embedded = EmbeddedFaces(faces, vectors, build_graph(faces["face_id"], vectors, 30))
    rows = assign_identities(embedded, FaceConstraints(portraits=portraits), settings_for("a folder")).rows
    assert rows["person_id"].to_list()[:3] == ["ana", "ben", "ben"] and rows["person_id"].count() == 3
    assert rows["assignment_reason"][0] == "0.94 to 1 prototype, margin 0.94"
    expected = "more similar to the person's faces of near years than strangers are, with 1 more"
    assert expected in rows["assignment_reason"][1]
