"""What may be shown of whom: a photo's verdict is the strictest of its faces."""

from dataclasses import replace

import polars as pl
import pytest

from classface_assets.store.consent.photos import CONSENT_FACES, PhotoVerdict, collect_refusals, photo_verdicts
from classface_assets.store.model.decisions import Decisions, FaceLabel, Person
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.purposes import Purpose
from classface_assets_tests.support.helpers import NOW

EVERY = frozenset(Purpose)


def person(name: str, **known: object) -> Person:
    return Person(name, name.capitalize(), NOW, NOW, **known)  # type: ignore[arg-type]


def decided(*people: Person, labels: dict[str, FaceLabel] | None = None, **fields: object) -> Decisions:
    return Decisions({p.id: p for p in people}, labels=labels or {}, **fields)  # type: ignore[arg-type]


def faces(*rows: tuple[str, str, str | None]) -> pl.DataFrame:
    """(face, photo, person), the faces of each photo side by side."""
    placed = [(*row, 100.0 * n, 10.0, 80.0, 80.0) for n, row in enumerate(rows)]
    return pl.DataFrame(placed, schema=CONSENT_FACES, orient="row")


def reported(
    decisions: Decisions, rows: pl.DataFrame, purpose: Purpose = Purpose.ALBUM
) -> dict[str, tuple[str, object]]:
    """Photo → verdict and because of whom."""
    photos = pl.Series(sorted({*rows["asset_id"], "nobody"}))
    found = photo_verdicts(photos, rows, collect_refusals(decisions)).filter(purpose=purpose.value)
    assert found.height == len(photos)
    return {
        photo: (verdict, who) for photo, verdict, who in found.select("asset_id", "verdict", "withheld_persons").rows()
    }


def test_a_photos_verdict_is_the_strictest_of_its_faces() -> None:
    decisions = decided(person("anna", refused=EVERY), person("ben"), person("cem"))
    rows = faces(
        ("1", "class", "anna"), ("2", "class", "ben"), ("3", "class", None),
        ("4", "pair", "ben"), ("5", "pair", None), ("6", "two", "ben"), ("7", "two", "cem"),
    )  # fmt: skip
    assert reported(decisions, rows) == {
        "class": (PhotoVerdict.WITHHELD, ["anna"]),
        "pair": (PhotoVerdict.REVIEW, []),
        "two": (PhotoVerdict.SAFE, []),
        "nobody": (PhotoVerdict.SAFE, []),
    }
    unknown = photo_verdicts(pl.Series(["class", "pair"]), rows, collect_refusals(decisions))
    assert unknown.filter(purpose="web")["unknown_faces"].to_list() == [1, 1]


def test_each_purpose_has_a_verdict_of_its_own() -> None:
    decisions = decided(person("anna", refused=frozenset({Purpose.WEB})), person("ben", refused=EVERY))
    rows = faces(("1", "a", "anna"), ("2", "b", "ben"), ("3", "both", "anna"), ("4", "both", "ben"))
    album, web = reported(decisions, rows), reported(decisions, rows, Purpose.WEB)
    assert {photo: verdict for photo, (verdict, _) in album.items()} == {
        "a": "safe", "b": "withheld", "both": "withheld", "nobody": "safe"
    }  # fmt: skip
    assert album["both"] == ("withheld", ["ben"]) and web["both"] == ("withheld", ["anna", "ben"])
    assert web["a"] == ("withheld", ["anna"]) and reported(decisions, rows, Purpose.YEARBOOK)["a"] == ("safe", [])


@pytest.mark.parametrize(
    ("stated", "verdict"),
    [
        ({}, "safe"),
        ({"consent": True}, "safe"),
        ({"status": "hidden"}, "withheld"),
        ({"status": "hidden", "kind": "not a face"}, "safe"),
        ({"consents": {"album": True}}, "safe"),
        ({"refused": frozenset({"yearbook"})}, "safe"),
        ({"consent": True, "refused": frozenset({"album"})}, "withheld"),
        ({"refused": EVERY, "consent_in_doubt": "perhaps"}, "withheld"),
    ],
)
def test_people_without_an_answer_are_shown_and_people_who_refused_are_not(
    stated: dict[str, object], verdict: str
) -> None:
    assert reported(decided(person("anna", **stated)), faces(("1", "photo", "anna")))["photo"][0] == verdict


def test_a_refusal_of_somebody_who_was_merged_since_the_last_run_counts() -> None:
    before = person("ann", status="merged", merged_into_id="anna")
    for people in ((before, person("anna", refused=EVERY)), (replace(before, refused=EVERY), person("anna"))):
        assert reported(decided(*people), faces(("1", "photo", "ann")))["photo"][0] == "withheld"


def test_a_face_that_was_labelled_since_the_last_run_counts() -> None:
    marks = {"1": FaceLabel("anna", "photo", (0, 10, 80, 80)), "2": FaceLabel("ben", "other", (100, 10, 80, 80))}
    decisions = decided(person("anna", refused=EVERY), person("ben"), labels=marks)
    verdicts = reported(decisions, faces(("1", "photo", None), ("2", "other", None)))
    assert verdicts["photo"] == ("withheld", ["anna"]) and verdicts["other"] == ("review", [])


def test_a_labelled_face_that_no_detector_finds_any_more_is_still_in_its_photo() -> None:
    marks = {"drawn": FaceLabel("anna", "photo", (900, 900, 80, 80))}
    decisions = decided(person("anna", refused=EVERY), person("ben"), labels=marks)
    assert reported(decisions, faces(("1", "photo", "ben")))["photo"] == ("withheld", ["anna"])
    assert reported(decisions, faces(("1", "other", "ben")))["other"] == ("safe", [])


def test_a_face_with_the_box_of_another_detector_belongs_to_its_present_person() -> None:
    """The old label has moved to the new face, of which somebody said later that it is Ben."""
    marks = {
        "old": FaceLabel("anna", "photo", (2, 12, 80, 80), 1),
        "new": FaceLabel("ben", "photo", (0, 10, 80, 80), 2),
    }
    decisions = decided(person("anna", refused=EVERY), person("ben"), labels=marks)
    assert reported(decisions, faces(("new", "photo", "ben")))["photo"] == ("safe", [])


def test_a_photo_of_somebody_who_was_erased_is_withheld_and_nobody_is_named() -> None:
    erased = {"gone": FaceRef("gone", "photo", (500, 10, 80, 80))}
    decisions = decided(person("anna"), erased_faces=erased)
    assert reported(decisions, faces(("1", "photo", "anna")))["photo"] == ("withheld", [])


def test_an_archive_without_a_face_has_a_verdict_for_every_photo() -> None:
    found = photo_verdicts(pl.Series(["a", "b"]), pl.DataFrame(), collect_refusals(decided()))
    assert found.height == 6 and set(found["verdict"]) == {"safe"}
