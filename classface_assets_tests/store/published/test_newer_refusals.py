"""What people say while a run goes: it is published by the ledger as it stood, but for newer refusals and erasures."""

import json
from collections.abc import Sequence

import dagster as dg
import polars as pl
import pytest

from classface_assets.defs.catalog.checks.integrity import (
    labelled_faces_keep_their_name,
    labelled_faces_keep_their_name_in_clusters,
    one_face_a_photo_in_identities,
)
from classface_assets.defs.identity.cluster_assignments import AssignmentConfig, cluster_assignments
from classface_assets.defs.identity.identities import IdentityConfig, identities
from classface_assets.orchestration.resources import Models
from classface_assets.services.queries import find_faces
from classface_assets.store.artifacts.assignment_tables import TableInputs, read_table_inputs, write_assignments
from classface_assets.store.artifacts.memoization import file_signature
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.parquet import read_parquet, write_parquet
from classface_assets.store.model.events import Event
from classface_assets.store.published.newer_refusals import apply_newer_refusals, drop_erased_faces
from classface_assets.store.published.tables import person_rows
from classface_assets_tests.conftest import World
from classface_assets_tests.support.helpers import FACES, event, face, label_event

MODELS = Models(pack="builtin")
CHECKS = (
    labelled_faces_keep_their_name_in_clusters,
    labelled_faces_keep_their_name,
    one_face_a_photo_in_identities,
)


def assign(world: World, **config: bool) -> None:
    cluster_assignments(config=AssignmentConfig(**config), archive=world.archive, models=MODELS)


def publish(world: World) -> dict[str, object]:
    result = identities(config=IdentityConfig(), archive=world.archive, models=MODELS)
    assert isinstance(result, dg.MaterializeResult)
    return dict(result.metadata or {})


def passed(world: World) -> list[bool]:
    resources = {"archive": world.archive, "models": MODELS}
    outcomes = [check(**resources) for check in CHECKS]
    return [bool(outcome.passed) for outcome in outcomes if isinstance(outcome, dg.AssetCheckResult)]


def names(world: World) -> dict[str, int]:
    rows = world.query(
        "SELECT p.name, count(*) AS n FROM face_instances f JOIN persons p ON p.id = f.person_id GROUP BY 1"
    )
    return dict(rows.iter_rows())


def largest(world: World, count: int) -> list[str]:
    sql = f"SELECT cluster_id FROM clusters WHERE cluster_id LIKE 'unknown%' ORDER BY size DESC, 1 LIMIT {count}"
    return world.query(sql)["cluster_id"].to_list()


def test_a_name_given_between_two_steps_of_a_run_waits_for_the_next(world: World) -> None:
    first, second, third = (find_faces(world.layout.database, cluster) for cluster in largest(world, 3))
    ledger = world.archive.open_ledger()
    ledger.label("Ada", first)
    assign(world)
    ledger.label("Ben", second)
    ledger.rename("Ada", "Ada Lovelace")
    found = publish(world)
    assert found["decisions_for_the_next_run"] == 3, "Ben was made a person and given faces, Ada a new name"
    assert names(world).keys() == {"Ada"} and names(world)["Ada"] >= len(first)
    assert world.query("SELECT max(id) AS last FROM face_assignment_events").item() == 2
    assert passed(world) == [True] * 3
    assert "unchanged" in publish(world), "nothing is newer than the assignments that it publishes"
    assign(world)
    ledger.label("Cem", third)
    assert publish(world)["decisions_for_the_next_run"] == 2
    assert names(world).keys() == {"Ada Lovelace", "Ben"}
    assert passed(world) == [True] * 3


def test_assignments_of_another_run_are_published_by_the_ledger_as_that_run_saw_it(world: World) -> None:
    first, second = (find_faces(world.layout.database, cluster) for cluster in largest(world, 2))
    ledger = world.archive.open_ledger()
    assign(world)
    ledger.label("Ada", first)
    assign(world)  # the other run's, whose table takes the place of this one's
    ledger.label("Ben", second)
    publish(world)
    publish(world)
    assert names(world).keys() == {"Ada"} and passed(world) == [True] * 3


def test_a_refusal_and_an_erasure_that_came_meanwhile_count_at_once(world: World) -> None:
    groups = [find_faces(world.layout.database, cluster) for cluster in largest(world, 4)]
    ledger = world.archive.open_ledger()
    for name, faces in zip(("Ada", "Ben", "Cem", "Dora"), groups, strict=True):
        ledger.label(name, faces)
    assign(world)
    ledger.hide("Ada")
    ledger.set_consent("Ben", False)
    ledger.erase(ledger.decisions().find_current_person("Cem").id, groups[2][:1])  # type: ignore[union-attr]
    publish(world)
    people = world.query("SELECT name, status, consent FROM persons ORDER BY name").rows()
    assert people == [("Ada", "hidden", None), ("Ben", "active", False), ("Dora", "active", None)]
    left = set(world.query("SELECT id FROM face_instances")["id"])
    assert not left & {face.face_id for face in groups[2]}, "also those that were thought to be theirs"
    assert {face.face_id for face in groups[0]} <= left
    payloads = " ".join(world.query("SELECT payload FROM face_assignment_events")["payload"])
    assert "Cem" not in payloads and "Dora" in payloads
    assert passed(world) == [True] * 3


def test_the_error_of_labelled_faces_that_would_move_says_what_to_do(world: World) -> None:
    faces, ledger = find_faces(world.layout.database, largest(world, 1)[0]), world.archive.open_ledger()
    ledger.label("Ada", faces)
    assign(world)
    damage(world, [face.face_id for face in faces[:3]])
    assert passed(world)[0] is False
    before = names(world)
    with pytest.raises(dg.Failure) as refused:
        publish(world)
    message = str(refused.value.description)
    assert "3 labelled faces would lose their name" in message and "`classface cluster-dual --all-anew`" in message
    assert "Delete" not in message and names(world) == before
    assign(world, all_anew=True)  # as the command in the message does
    publish(world)
    assert names(world) == {"Ada": len(faces)} and passed(world) == [True] * 3


def damage(world: World, faces: Sequence[str]) -> None:
    """Take the names of faces out of the table of assignments, and let its stamp take it for sound."""
    file = world.layout.table("cluster_assignments")
    noted, rows = read_table_inputs(file), read_parquet(file)
    assert noted is not None
    lost = pl.when(pl.col("face_id").is_in(list(faces))).then(None).otherwise("person_id")
    write_assignments(rows.with_columns(lost.alias("person_id")), file, noted)
    stamp = world.layout.fingerprint_file("cluster_assignments")
    recorded = json.loads(stamp.read_text())
    recorded["outputs"] = {name: file_signature(file) for name in recorded["outputs"]}
    stamp.write_text(json.dumps(recorded))


def test_what_a_table_was_made_of_is_in_the_same_file_and_old_tables_have_none(world: World) -> None:
    file = world.layout.table("some assignments")
    rows = read_parquet(world.layout.table("identities"))
    for noted in (TableInputs("facts", None), TableInputs("facts", (7, "2024-05-04T12:00:00+00:00", "faces_labelled"))):
        write_assignments(rows, file, noted)
        assert read_table_inputs(file) == noted and read_parquet(file).equals(rows)
    write_parquet(rows, file)
    assert read_table_inputs(file) is None


CREATED = [event(n, "person_created", person_id=p, name=p.title()) for n, p in enumerate(("ada", "ben"), start=1)]
MERGED = [*CREATED, event(3, "person_merged", person_id="ada", into_id="ben")]


@pytest.mark.parametrize(
    ("then", "newer", "withheld"),
    [
        (CREATED, event(9, "consent_withdrawn", person_id="ada"), {"ada"}),
        (CREATED, event(9, "person_hidden", person_id="ben"), {"ben"}),
        (CREATED, event(9, "person_shown", person_id="ben"), set()),
        ([*CREATED, event(3, "consent_withdrawn", person_id="ada")], event(9, "undone", event_id=3), {"ada"}),
        ([*CREATED, event(3, "person_hidden", person_id="ada")], event(9, "person_shown", person_id="ada"), {"ada"}),
        (MERGED, event(9, "consent_withdrawn", person_id="ben"), {"ada", "ben"}),
    ],
)
def test_a_newer_refusal_counts_and_a_newer_permission_does_not(
    then: list[Event], newer: Event, withheld: set[str]
) -> None:
    published = apply_newer_refusals(replay(then), replay([*then, newer]))
    hidden = {p for p, who in published.persons.items() if who.status == "hidden" or who.consent is False}
    assert hidden == withheld


def test_a_newer_refusal_for_one_purpose_is_for_that_purpose() -> None:
    newer = event(9, "consent_withdrawn", person_id="ada", purposes=["web"])
    ada = apply_newer_refusals(replay(CREATED), replay([*CREATED, newer])).persons["ada"]
    assert ada.refused == {"web"} and dict(ada.consents) == {"web": False}
    (row,) = person_rows(apply_newer_refusals(replay(CREATED[:1]), replay([*CREATED, newer]))).rows(named=True)
    assert row["consent"] is None and row["consent_web"] is False


def test_who_refused_is_withheld_with_those_they_were_one_with_when_faces_were_assigned() -> None:
    """Their faces were assigned to the person that they were merged into, and are published as that person's."""
    parted = [*MERGED, event(4, "undone", event_id=3), event(5, "consent_withdrawn", person_id="ada")]
    assert replay(parted).persons["ben"].consent is None
    assert apply_newer_refusals(replay(parted, until=3), replay(parted)).persons["ben"].consent is False
    joined = [
        *CREATED,
        event(3, "person_hidden", person_id="ben"),
        event(4, "person_merged", person_id="ada", into_id="ben"),
    ]
    assert apply_newer_refusals(replay(joined[:2]), replay(joined)).persons["ada"].status == "hidden"


def test_of_who_is_erased_by_now_nothing_is_left_in_what_is_published() -> None:
    then = [*CREATED, label_event(3, "ada", *FACES[:2]), label_event(4, "ben", FACES[2])]
    erased = event(5, "person_erased", person_id="ada", faces=[f.payload() for f in FACES[:2]])
    published = apply_newer_refusals(replay(then), replay([*then, erased]))
    assert published.labels.keys() == {FACES[2].face_id} and published.persons["ada"].erased
    faces = pl.DataFrame(
        [(f.face_id, f.asset_id, *f.box) for f in [*FACES[:4], face("near", "photo 0", (5, 0, 100, 100))]],
        schema=["face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h"],
        orient="row",
    )
    rows = pl.DataFrame({"face_id": ["f2", "f3"], "person_id": ["ben", "ada"]})
    assert drop_erased_faces(faces, rows, published)["face_id"].to_list() == ["f2"]
