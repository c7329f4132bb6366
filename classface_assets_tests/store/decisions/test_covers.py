"""The face by which a person is shown: chosen by somebody, undone, and found again in the faces of today."""

from pathlib import Path

import polars as pl

from classface_assets.store.decisions.reconciliation import chosen_covers
from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.events import COVER_KINDS
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.same_shots import SameShot

FACES = {f"f{n}": FaceRef(f"f{n}", f"p{n}", (10.0, 10.0, 80.0, 80.0)) for n in range(4)}


def faces_of(owners: dict[str, str | None], photos: dict[str, str] | None = None) -> pl.DataFrame:
    rows = [(f, (photos or {}).get(f, f"p{f[1:]}"), owner, 10.0, 10.0, 80.0, 80.0) for f, owner in owners.items()]
    columns = ["face_id", "asset_id", "person_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_the_last_chosen_face_is_the_cover_until_that_is_undone(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    ana = ledger.label("Ana", [*FACES.values()]).person.id
    today = faces_of(dict.fromkeys(FACES, ana))
    assert chosen_covers(ledger.decisions(), today) == {}
    ledger.choose_cover("Ana", FACES["f1"])
    second = ledger.choose_cover(ana, FACES["f2"]).events[0]
    assert chosen_covers(ledger.decisions(), today) == {ana: "f2"}
    assert chosen_covers(ledger.decisions(), today, ["somebody else"]) == {}
    assert chosen_covers(replay(ledger.events(kinds=COVER_KINDS)), today) == {ana: "f2"}, "labels are not needed"
    ledger.undo(second)
    assert chosen_covers(ledger.decisions(), today) == {ana: "f1"}


def test_a_cover_counts_only_while_the_face_is_that_person(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    ana, ben = (ledger.create_person(name).person.id for name in ("Ana", "Ben"))
    ledger.choose_cover(ana, FACES["f1"])
    assert chosen_covers(ledger.decisions(), faces_of({"f1": ben, "f2": ana})) == {}
    assert chosen_covers(ledger.decisions(), faces_of({"f2": ana})) == {}, "the photo is gone"
    elsewhere = faces_of({"other id": ana}, {"other id": "p1"})
    assert chosen_covers(ledger.decisions(), elsewhere) == {ana: "other id"}, "another detector drew the box"


def test_a_cover_follows_a_merge_another_file_of_the_shot_and_goes_with_the_person(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    ana, anna = (ledger.create_person(name).person.id for name in ("Ana", "Anna"))
    ledger.choose_cover(ana, FACES["f1"])
    ledger.merge(ana, anna)
    today = faces_of(dict.fromkeys(FACES, anna))
    assert chosen_covers(ledger.decisions(), today) == {anna: "f1"}
    ledger.follow_photos([SameShot("p1", "q", (0.5, 0, 0, 0, 0.5, 0))])
    half = faces_of({"small": anna}, {"small": "q"}).with_columns(
        bbox_x=pl.lit(5.0), bbox_y=pl.lit(5.0), bbox_w=pl.lit(40.0), bbox_h=pl.lit(40.0)
    )
    assert chosen_covers(ledger.decisions(), half) == {anna: "small"}
    ledger.choose_cover(anna, FACES["f2"])
    assert chosen_covers(ledger.decisions(), today) == {anna: "f2"}, "what was chosen for herself comes first"
    ledger.erase(anna)
    assert ledger.decisions().covers == {}
