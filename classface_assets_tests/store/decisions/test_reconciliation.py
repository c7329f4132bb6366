"""How what was said follows its faces: to another detector's boxes, by way of others, and where words contradict."""

from random import Random

import polars as pl
import pytest

from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.core.geometry import Box, box_iou
from classface_assets.store.decisions.links import PairConstraint, bridge_missing_faces, resolve_conflicts
from classface_assets.store.decisions.reconciliation import confirmed_faces, constraints_for
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.transaction import ConflictError
from classface_assets.store.model.decisions import Decisions, FaceLabel
from classface_assets.store.model.face_ref import FaceRef
from classface_assets_tests.support.helpers import FACES, face


def boxes(*faces: tuple[str, str, Box]) -> pl.DataFrame:
    schema = ["face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h"]
    return pl.DataFrame([(face_id, asset, *box) for face_id, asset, box in faces], schema=schema, orient="row")


def marks(*labels: tuple[str, str, str, Box]) -> Decisions:
    return Decisions({}, {face_id: FaceLabel(person, asset, box) for face_id, person, asset, box in labels})


def test_a_label_follows_its_face_to_the_box_of_another_detector() -> None:
    decisions = marks(("old", "anna", "photo", (100, 100, 80, 80)))
    faces = boxes(
        ("n1", "photo", (96, 90, 90, 100)), ("n2", "photo", (120, 100, 80, 80)), ("n3", "photo", (400, 100, 80, 80))
    )
    assert confirmed_faces(decisions, faces) == {"n1": "anna"}


def test_a_label_never_goes_to_a_face_of_another_photo_nor_to_one_beside_it() -> None:
    decisions = marks(("old", "anna", "photo", (100, 100, 80, 80)))
    assert confirmed_faces(decisions, boxes(("n", "another photo", (100, 100, 80, 80)))) == {}
    assert confirmed_faces(decisions, boxes(("n", "photo", (160, 100, 80, 80)))) == {}
    assert confirmed_faces(decisions, boxes()) == {}


def test_two_labels_never_go_to_one_face() -> None:
    decisions = marks(("o1", "anna", "photo", (100, 100, 80, 80)), ("o2", "bella", "photo", (110, 100, 80, 80)))
    assert confirmed_faces(decisions, boxes(("n", "photo", (108, 100, 80, 80)))) == {"n": "bella"}
    both = boxes(("n", "photo", (108, 100, 80, 80)), ("m", "photo", (95, 100, 80, 80)))
    assert confirmed_faces(decisions, both) == {"n": "bella", "m": "anna"}


def test_a_face_that_is_labelled_itself_takes_no_other_label() -> None:
    decisions = marks(("gone", "anna", "photo", (100, 100, 80, 80)), ("here", "bella", "photo", (100, 100, 80, 80)))
    assert confirmed_faces(decisions, boxes(("here", "photo", (100, 100, 80, 80)))) == {"here": "bella"}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1),
        ((0, 0, 10, 10), (5, 0, 10, 10), 1 / 3),
        ((0, 0, 10, 10), (10, 0, 10, 10), 0),
        ((0, 0, 10, 10), (20, 20, 5, 5), 0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0),
    ],
)
def test_overlap_is_intersection_over_union(a: Box, b: Box, expected: float) -> None:
    assert box_iou(a, b) == pytest.approx(expected) == box_iou(b, a)


def boxed(*faces: FaceRef) -> pl.DataFrame:
    """FACES of today, as far as carrying over needs them."""
    return boxes(*((f.face_id, f.asset_id, f.box) for f in faces))


def now(ledger: Ledger) -> FaceConstraints:
    return constraints_for(ledger.decisions(), boxed(*FACES))


def pairs(*numbers: tuple[int, int]) -> set[tuple[str, str]]:
    return {(f"f{a}", f"f{b}") for a, b in numbers}


def test_of_contradicting_links_the_newer_one_counts_and_notes_it(either: Ledger) -> None:
    assert either.must_link(FACES[:3]).notes == ()
    first = either.events()[-1].id
    act = either.cannot_link([FACES[0], FACES[2]])
    assert act.notes == (
        f"This contradicts 1 earlier decision on who belongs together (event {first}): the newer one counts.",
    )
    assert set(now(either).cannot_link) == pairs((0, 2)) and len(now(either).must_link) == 1
    assert either.must_link([FACES[0], FACES[2]]).notes, "and back again"
    assert now(either).cannot_link == () and pairs((0, 2)) <= set(now(either).must_link)
    either.undo()
    either.undo()
    assert set(now(either).must_link) == pairs((0, 1), (1, 2)) and now(either).cannot_link == ()


def test_labels_hold_against_links(ledger: Ledger) -> None:
    ledger.label("Anna", FACES[:2])
    ledger.label("Bella", FACES[2:4])
    with pytest.raises(ConflictError, match=r"^These faces are labelled as Anna and Bella; "):
        ledger.must_link([FACES[0], FACES[2]])
    with pytest.raises(ConflictError, match=r"^Two of these faces are labelled as Anna; "):
        ledger.cannot_link([FACES[0], FACES[1], FACES[4]])
    ledger.must_link([FACES[4], FACES[0]])
    ledger.cannot_link([FACES[4], FACES[5]])
    assert (set(now(ledger).must_link), set(now(ledger).cannot_link)) == (pairs((4, 0)), pairs((4, 5)))
    ledger.label("Bella", [FACES[4]])
    assert now(ledger).must_link == (), "the label is a later word, and a stronger one"
    assert ledger.label("Bella", [FACES[4], FACES[5]]).notes == (
        "1 pair of these faces had been marked as two people; the label counts.",
    )
    assert now(ledger).cannot_link == ()


def test_a_link_by_way_of_others_may_contradict_labels(ledger: Ledger) -> None:
    ledger.label("Anna", [FACES[0]])
    ledger.label("Bella", [FACES[1]])
    ledger.must_link([FACES[0], FACES[2]])
    ledger.must_link([FACES[2], FACES[3]])
    assert ledger.must_link([FACES[3], FACES[1]]).notes, "one of the three cannot be"
    assert set(now(ledger).must_link) == pairs((3, 1), (2, 3))


def test_a_rejection_holds_for_all_linked_faces_until_a_newer_decision(ledger: Ledger) -> None:
    anna = ledger.label("Anna", [FACES[0]]).person.id
    ledger.reject("Anna", [FACES[1]])
    assert now(ledger).rejected == {("f1", anna)}
    ledger.must_link([FACES[0], FACES[1]])
    assert now(ledger).rejected == frozenset() and set(now(ledger).must_link) == pairs((0, 1))


def test_a_split_holds_its_groups_together_and_apart(either: Ledger) -> None:
    either.split_cluster("unknown_cluster_3", [FACES[:3], FACES[3:5], FACES[5:6]])
    found = now(either)
    assert set(found.must_link) == pairs((0, 1), (1, 2), (3, 4))
    assert set(found.cannot_link) == pairs((0, 3), (0, 5), (3, 5))
    either.must_link([FACES[2], FACES[4]])
    again = now(either)
    assert pairs((2, 4)) <= set(again.must_link) and not pairs((0, 3)) & set(again.cannot_link)


def components(words: list[PairConstraint]) -> dict[str, set[str]]:
    """Face → all who belong together with it."""
    together = {f"f{n}": {f"f{n}"} for n in range(9)}
    for word in words:
        if word.same:
            joined = together[word.a] | together[word.b]
            for member in joined:
                together[member] = joined
    return together


def test_random_constraints_never_contradict_each_other_once_resolved() -> None:
    random = Random(7)
    for _ in range(60):
        owners = {f"f{n}": random.choice("AB") for n in random.sample(range(8), 3)}
        words = []
        for number in range(25):
            a, b = random.sample(range(8), 2)
            words.append(PairConstraint(f"f{a}", f"f{b}", random.random() < 0.5, number))
        retained, dropped = resolve_conflicts(owners, words)
        assert sorted([*retained, *dropped], key=lambda w: w.event_id) == words and words[-1] in (*retained, *dropped)
        labels = [PairConstraint(a, b, True, 0) for a in owners for b in owners if owners[a] == owners[b]]
        together = components([*retained, *labels])
        assert not any(w.b in together[w.a] for w in retained if not w.same)
        assert not any(b in together[a] for a in owners for b in owners if owners[a] != owners[b])


def test_who_belongs_together_by_way_of_a_face_that_is_gone_still_does(ledger: Ledger) -> None:
    ledger.must_link(FACES[:3])
    ledger.split_cluster("c", [FACES[3:5], FACES[5:7]])
    found = constraints_for(ledger.decisions(), boxed(FACES[0], FACES[2], FACES[4], FACES[6]))
    assert set(found.must_link) == pairs((2, 0)) or set(found.must_link) == pairs((0, 2))
    assert set(found.cannot_link) == pairs((4, 6)), "the faces by which the groups were told apart are gone"


def test_random_constraints_keep_their_meaning_whichever_faces_are_missing() -> None:
    random = Random(11)
    for _ in range(60):
        words = [
            PairConstraint(*(f"f{n}" for n in random.sample(range(9), 2)), random.random() < 0.6, n) for n in range(12)
        ]
        retained, _ = resolve_conflicts({}, words)
        gone = {f"f{n}" for n in random.sample(range(9), 4)}
        left = bridge_missing_faces(retained, gone)
        assert not any(gone & {word.a, word.b} for word in left)
        before, after = components(retained), components(left)
        there = [f"f{n}" for n in range(9) if f"f{n}" not in gone]
        assert all((b in before[a]) == (b in after[a]) for a in there for b in there)
        apart = {frozenset((x, y)) for w in retained if not w.same for x in before[w.a] for y in before[w.b]}
        still = {frozenset((x, y)) for w in left if not w.same for x in after[w.a] for y in after[w.b]}
        assert still == {pair for pair in apart if not pair & gone}


def shifted(f: FaceRef, name: str) -> FaceRef:
    """The same face as another detector draws it."""
    x, y, w, h = f.box
    return FaceRef(name, f.asset_id, (x + 5, y - 4, w * 1.1, h * 1.1))


def test_whichever_detector_is_in_use_the_newer_label_of_a_face_counts(ledger: Ledger) -> None:
    old, new = face("old"), shifted(face("old"), "new")

    def both() -> list[str | None]:
        state = ledger.decisions()
        found = [constraints_for(state, boxed(f)).confirmed.get(f.face_id) for f in (old, new)]
        return [person and state.persons[person].name for person in found]

    ledger.label("Anna", [old])
    assert both() == ["Anna", "Anna"]
    ledger.label("Bella", [new])
    assert both() == ["Bella", "Bella"], "switching back to the old detector keeps the later word"
    ledger.label("Carla", [old])
    assert both() == ["Carla", "Carla"]
    ledger.remove_labels([new])
    assert both() == [None, None]
    ledger.confirm("Anna", [old])
    ledger.reject("Anna", [new])
    assert both() == [None, None]
    ledger.confirm("Anna", [new])
    assert both() == ["Anna", "Anna"]
    ledger.undo()
    assert both() == [None, None]


def test_every_constraint_follows_its_faces(ledger: Ledger) -> None:
    new = [shifted(f, f"n{n}") for n, f in enumerate(FACES)]
    anna = ledger.label("Anna", [FACES[0]]).person.id
    ledger.reject("Anna", [FACES[1]])
    ledger.must_link([FACES[2], FACES[3]])
    ledger.cannot_link([FACES[3], FACES[4]])
    ledger.mark_not_faces([FACES[5]])
    ledger.mark_photo("photo 6", "collage")
    ledger.label("Gone", [FACES[7]])
    ledger.erase("Gone")
    expected = FaceConstraints(
        confirmed={"n0": anna},
        rejected=frozenset({("n1", anna)}),
        must_link=(("n2", "n3"),),
        cannot_link=(("n3", "n4"),),
        collages=frozenset({"photo 6"}),
        not_faces=frozenset({"n5"}),
        erased_faces=frozenset({"n7"}),
    )
    assert constraints_for(ledger.decisions(), boxed(*new)) == expected
    assert constraints_for(ledger.decisions(), boxed()) == FaceConstraints(collages=frozenset({"photo 6"}))
    assert constraints_for(ledger.decisions(), pl.DataFrame()) == FaceConstraints(collages=frozenset({"photo 6"}))


def test_two_neighbouring_faces_keep_their_own_labels_however_new_the_others(ledger: Ledger) -> None:
    left, right = face("l", "p", (0, 0, 100, 100)), face("r", "p", (60, 0, 100, 100))
    only = FaceRef("n", "p", (4, 0, 100, 100))
    anna = ledger.label("Anna", [left]).person.id
    ledger.label("Bella", [right])
    assert constraints_for(ledger.decisions(), boxed(only)).confirmed == {"n": anna}
