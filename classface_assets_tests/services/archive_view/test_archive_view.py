"""The tables of a view, and whether it knows all decisions of a ledger that goes on."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from classface_assets.services.archive_view.cache import ArchiveViewCache
from classface_assets.services.archive_view.model import SAMPLE_FACES, cluster_table, person_table
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.published.tables import EXEMPLARS_PER_YEAR
from classface_assets_tests.services.photo_sessions.test_sessions import face, view_of


def test_a_view_gives_its_decisions_only_while_the_ledger_has_no_newer_ones(ledger: Ledger) -> None:
    empty = view_of(ledger)
    assert empty.decisions_at(None) is None and empty.decisions_at(ledger.last()) is None
    ledger.label("Anna", [face("a1")])
    view = view_of(ledger)
    assert view.decisions_at(ledger.last()) is view.decisions and empty.decisions_at(ledger.last()) is None
    Ledger(ledger.url).set_consent("Anna", given=False)
    assert view.decisions_at(ledger.last()) is None


def test_the_tables_count_what_the_faces_show(ledger: Ledger) -> None:
    random = Random(7)
    people = [ledger.create_person(name).person.id for name in ("Anna", "Ben", "Cem")]
    rows: list[dict[str, Any]] = [
        {
            "face_id": f"{number:04}",
            "cluster_id": f"person_{person}" if person else f"cluster_{number % 9}",
            "person_id": person,
            "person_name": None,
            "school_year": f"{random.choice([2018, 2019, 2020])}",
            "confirmed": person is not None and random.random() < 0.4,
            "quality_score": random.choice([None, 0.1, 0.5, 0.9]),
            "assignment_score": 0.5,
        }
        for number in range(400)
        for person in [random.choice([*people[:2], None])]
    ]
    faces = pl.DataFrame(rows, schema_overrides={"person_name": pl.String})
    persons = {row["id"]: row for row in person_table(ledger.decisions(), faces).to_dicts()}
    for person in people:
        mine = [row for row in rows if row["person_id"] == person]
        of_year = Counter(row["school_year"] for row in mine if row["confirmed"])
        prototypes = sum(min(count, EXEMPLARS_PER_YEAR) + (count > 1) for count in of_year.values())
        found = persons[person]
        assert (found["face_count"], found["confirmed_count"]) == (len(mine), of_year.total())
        assert found["prototype_count"] == prototypes
        assert found["school_years"] == sorted({row["school_year"] for row in mine})
    for cluster in cluster_table(faces).to_dicts():
        mine = [row for row in rows if row["cluster_id"] == cluster["cluster_id"]]
        best = sorted(mine, key=lambda row: (-(row["quality_score"] or 0.0), row["face_id"]))
        assert cluster["sample_faces"] == [row["face_id"] for row in best[:SAMPLE_FACES]]
        assert cluster["size"] == len(mine) and cluster["school_years"] == sorted({r["school_year"] for r in mine})


def test_what_other_machines_published_is_looked_for_every_two_seconds_and_at_each_decision(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, looks = tmp_path / "classface.duckdb", list[str]()

    def fetch() -> None:
        looks.append("look")
        if not database.exists():
            publish_database(database, {})

    cache = ArchiveViewCache(database, ledger, synchronize=fetch)
    for _ in range(5):
        cache.current()
    assert len(looks) == 1, "which fetched the database"
    ledger.create_person("Ada")
    assert [person.name for person in cache.current().decisions.persons.values()] == ["Ada"]
    assert len(looks) == 2, "it might have been an erasure"
    database.unlink()
    cache.current()
    assert len(looks) == 3, "somebody deleted the local folder"
    monkeypatch.setattr("classface_assets.services.archive_view.cache.LOOK_EVERY_S", -1.0)
    cache.current(), cache.current()
    assert len(looks) == 5
