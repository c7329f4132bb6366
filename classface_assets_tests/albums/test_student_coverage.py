"""How often students appear: bursts count once, candids beside portraits, and who is missing altogether."""

import polars as pl

from classface_assets.albums.exports.contents import ROSTER
from classface_assets.albums.exports.student_coverage import CoverageSummary, goal_sentence, student_coverage, summarize

YEAR = "2019-2020"


def photo(asset: str, near: str | None = None, year: str = YEAR) -> dict[str, object]:
    known = {"status": "ok", "taken_at": None, "taken_at_source": "", "width": 2000, "height": 1000}
    return known | {"asset_id": asset, "school_year": year, "path": f"{year}/{asset}.jpg", "near_group": near}


def faces(asset: str, *people: str | None, height: float = 100, year: str = YEAR) -> list[dict[str, object]]:
    return [
        {"asset_id": asset, "school_year": year, "person_id": p, "person_name": p and p.upper(), "bbox_h": height}
        for p in people
    ]


def roster(*rows: tuple[str | None, str, str, bool]) -> pl.DataFrame:
    full = [(f"key {name}", person, name, f"id {name}", YEAR, klass, shown) for person, name, klass, shown in rows]
    return pl.DataFrame(full, schema=ROSTER, orient="row")


def photos(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema_overrides={"taken_at": pl.Datetime("us"), "near_group": pl.String})


def found(*rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame([row for group in rows for row in group], schema_overrides={"person_id": pl.String})


def test_a_burst_and_near_duplicates_count_once_and_every_photo_is_still_known() -> None:
    shown = photos(photo("a", "burst"), photo("b", "burst"), photo("c"))
    seen = found(faces("a", "ann", "ben"), faces("b", "ann", "ben"), faces("c", "ann", "ben"))
    rows = student_coverage(shown, seen, roster())
    assert rows.select("person_id", "appearances", "photos").rows() == [("ann", 2, 3), ("ben", 2, 3)]


def test_candids_are_told_from_portraits_and_group_photos_by_the_faces_in_them() -> None:
    class_photo = ["ann", *[None] * 6]
    shown = photos(*(photo(name) for name in ("portrait", "far", "pair", "class")))
    seen = found(
        faces("portrait", "ann", height=300), faces("far", "ann", height=60), faces("pair", "ann", "ben"),
        faces("class", *class_photo),
    )  # fmt: skip
    rows = student_coverage(shown, seen, roster()).filter(pl.col("person_id") == "ann")
    assert rows.select("appearances", "candids", "portraits", "group_photos").rows() == [(4, 2, 1, 1)]


def test_who_is_on_the_roster_and_in_no_photo_is_listed_and_who_may_not_be_shown_is_not() -> None:
    known = roster(("ann", "Ann", "5b", True), (None, "Cem", "5b", True), ("dora", "Dora", "5b", True),
                   ("eve", "Eve", "5b", False), (None, "Cem", "5c", True))  # fmt: skip
    rows = student_coverage(photos(photo("a")), found(faces("a", "ann", "guest")), known)
    assert rows.select("class", "name", "person_id", "appearances", "on_roster").rows() == [
        ("", "GUEST", "guest", 1, False),
        ("5b", "Cem", None, 0, True),
        ("5b", "Dora", "dora", 0, True),
        ("5b", "Ann", "ann", 1, True),
        ("5c", "Cem", None, 0, True),
    ]


def test_photos_that_albums_do_not_show_do_not_count() -> None:
    withheld = photo("b") | {"status": "withheld"}
    rows = student_coverage(photos(photo("a"), withheld), found(faces("a", "ann"), faces("b", "ann")), roster())
    assert rows["appearances"].to_list() == [1]


def test_summaries_are_of_each_year_and_then_of_each_class() -> None:
    old = "2018-2019"
    shown = photos(photo("a"), photo("b"), photo("o", year=old))
    seen = found(faces("a", "ann", "ben"), faces("b", "ann"), faces("o", "ann", year=old))
    known = roster(("ann", "Ann", "5b", True), ("ben", "Ben", "5c", True), (None, "Cem", "5c", True))
    summaries = summarize(student_coverage(shown, seen, known), 2)
    assert [(s.school_year, s.school_class, s.students, s.below, s.missing) for s in summaries] == [
        (YEAR, None, 3, 2, 1), (YEAR, "5b", 1, 0, 0), (YEAR, "5c", 2, 2, 1), (old, None, 1, 1, 0), (old, "", 1, 1, 0),
    ]  # fmt: skip
    assert summaries[0].mean == 1.0 and summaries[0].share_below == 2 / 3


def test_a_sentence_says_how_many_are_below_the_goal() -> None:
    def sentence(below: int, missing: int, goal: int) -> str:
        return goal_sentence(CoverageSummary(YEAR, None, 30, below, missing, 1.0, 1.0), goal)

    assert sentence(12, 0, 3) == "12 students appear fewer than 3 times."
    assert sentence(12, 2, 3) == "12 students appear fewer than 3 times, 2 of them not at all."
    assert sentence(1, 1, 1) == "1 student appears in no photo."
    assert sentence(0, 0, 3) == "Every student appears at least 3 times."
