"""What people decide beside names: who is whom, hidden, a sibling, rejected, erased; each in the ledger and undone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.transaction import ConflictError, LedgerError, UnknownError
from classface_assets_tests.support.helpers import event, face, who


def status(ledger: Ledger) -> dict[str, str]:
    return {person.name: person.status for person in ledger.decisions().persons.values()}


def test_a_merge_moves_all_faces_and_its_undo_brings_both_back_with_theirs(either: Ledger) -> None:
    anna = either.label("Anna", [face("a1", "p1"), face("a2", "p2")]).person
    ann = either.label("Ann", [face("b1", "p3"), face("b2", "p4")]).person
    before = either.decisions()
    merged = either.merge("ann", "ANNA")
    assert (merged.person.id, merged.faces, merged.notes) == (anna.id, 2, ())
    state = either.decisions()
    assert who(either) == dict.fromkeys(["a1", "a2", "b1", "b2"], "Anna")
    assert (state.persons[ann.id].status, state.persons[ann.id].merged_into_id) == ("merged", anna.id)
    assert either.label("Ann", [face("b3", "p5")]).person.id == anna.id, "the old name means whom it was merged into"
    either.undo(merged.events[0])
    after = either.decisions()
    assert after.persons == before.persons
    assert who(either) == {"a1": "Anna", "a2": "Anna", "b3": "Ann", "b1": "Ann", "b2": "Ann"}, "said of the old name"


def test_merges_in_a_row_end_at_the_last_person(ledger: Ledger) -> None:
    for name in "ABC":
        ledger.label(name, [face(name, f"photo of {name}")])
    ledger.merge("A", "B")
    assert ledger.merge("B", "C").faces == 2, "who was merged into B moves along"
    assert who(ledger) == {"A": "C", "B": "C", "C": "C"}
    ledger.undo()
    assert who(ledger) == {"A": "B", "B": "B", "C": "C"}


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("Anna", "anna", "Anna cannot be merged into themselves; name two different people."),
        ("Anna", "Nobody", "Nobody is called 'Nobody'; `classface people` lists the names."),
        ("Nobody", "Anna", "Nobody is called 'Nobody'; `classface people` lists the names."),
        ("Old", "Bella", "Old was merged into Anna already; undo that, or name Anna."),
        ("Bella", "Old", "Old was merged into Anna already; undo that, or name Anna."),
    ],
)
def test_a_merge_that_cannot_be_is_one_sentence(source: str, target: str, sentence: str, ledger: Ledger) -> None:
    for name in ("Anna", "Bella", "Old"):
        ledger.create_person(name)
    ledger.merge("Old", "Anna")
    events = ledger.events()
    with pytest.raises(LedgerError) as refused:
        ledger.merge(source, target)
    assert str(refused.value) == sentence and ledger.events() == events


def test_a_merge_of_two_people_in_one_photo_notes_it(ledger: Ledger) -> None:
    ledger.label("Anna", [face("a", "class photo"), face("a2", "mirror")])
    ledger.label("Ann", [face("b", "class photo"), face("b2", "mirror")])
    ledger.mark_photo("mirror", "mirror")
    (note,) = ledger.merge("Ann", "Anna").notes
    assert note.startswith("Ann and Anna are both in 1 photo (as class photo)")


def test_a_merged_persons_name_is_free_for_the_person_they_were_merged_into_alone(ledger: Ledger) -> None:
    ledger.create_person("Ana Müler"), ledger.create_person("Anna Müller"), ledger.create_person("Bella")
    merge = ledger.merge("Anna Müller", "Ana Müler")
    with pytest.raises(ConflictError, match="already a person called 'Anna Müller'"):
        ledger.rename("Bella", "anna müller")
    with pytest.raises(ConflictError, match="already a person called 'Anna Müller'"):
        ledger.create_person("Anna Müller")
    renamed = ledger.rename("Ana Müler", "Anna Müller")
    with pytest.raises(ConflictError, match="two people called 'Anna Müller'"):
        ledger.undo(merge.events[0])
    ledger.undo(renamed.events[0])
    ledger.undo(merge.events[0])
    assert set(status(ledger).values()) == {"active"}


def test_merges_undone_and_redone_never_go_in_a_circle(ledger: Ledger) -> None:
    ledger.create_person("A"), ledger.create_person("B")
    (first,) = ledger.merge("A", "B").events
    ledger.undo(first)
    undo = ledger.events()[-1].id
    (second,) = ledger.merge("B", "A").events
    with pytest.raises(ConflictError, match=f"^Undoing event {undo} contradicts the merge of event {second}"):
        ledger.undo(undo)
    with pytest.raises(ConflictError, match="contradicts the merge"):
        ledger.undo(1)
    assert status(ledger) == {"A": "active", "B": "merged"}
    circle = [*ledger.events(), event(99, "undone", event_id=undo)]
    assert replay(circle).canonical_id(replay(circle).persons[ledger.events()[0].payload["person_id"]].id)


def test_people_are_hidden_and_shown_again(either: Ledger) -> None:
    either.label("Anna", [face("f")])
    assert either.hide("anna").person.status == "hidden"
    assert who(either) == {"f": "Anna"}, "their faces stay theirs"
    with pytest.raises(ConflictError, match=r"^Anna is hidden already\.$"):
        either.hide("Anna")
    assert either.show("Anna").person.status == "active"
    with pytest.raises(ConflictError, match=r"^Anna is not hidden\.$"):
        either.show("Anna")
    either.undo()
    assert status(either) == {"Anna": "hidden"}


def test_facts_about_a_person_are_recorded_and_can_be_undone(either: Ledger) -> None:
    anna = either.create_person("Anna").person
    assert (anna.kind, anna.birth_date, anna.consent) == ("student", None, None)
    either.set_kind("Anna", "staff")
    either.set_birth_date(anna.id, date(2011, 2, 3))
    either.set_consent("Anna", True)
    person = either.set_consent("Anna", False).person
    assert (person.kind, person.birth_date, person.consent) == ("staff", date(2011, 2, 3), False)
    for _ in range(3):
        either.undo()
    assert replace(either.decisions().persons[anna.id], updated_at=anna.updated_at) == replace(anna, kind="staff")


def test_the_newest_decision_on_consent_counts_after_a_merge_too(ledger: Ledger) -> None:
    ledger.create_person("Anna"), ledger.create_person("Ann")
    ledger.set_consent("Anna", True)
    ledger.set_consent("Ann", False)
    assert ledger.merge("Ann", "Anna").person.consent is False


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (
            lambda ledger: ledger.set_kind("Anna", "teacher"),
            "'teacher' is no kind of person; it is one of student, staff",
        ),
        (
            lambda ledger: ledger.set_birth_date("Anna", date(1066, 1, 1)),
            "Nobody in a school's photos was born on 1066-01-01",
        ),
        (
            lambda ledger: ledger.set_birth_date("Anna", date(2999, 1, 1)),
            "Nobody in a school's photos was born on 2999-01-01",
        ),
        (lambda ledger: ledger.declare_siblings(["Anna", "ANNA"]), "Siblings are at least two different people"),
        (lambda ledger: ledger.hide("Carla"), "Nobody is called 'Carla'"),
        (lambda ledger: ledger.create_person("ANNA"), "There is already a person called 'Anna'"),
        (lambda ledger: ledger.confirm("Carla", [face("f")]), "Nobody is called 'Carla'"),
        (lambda ledger: ledger.label("Anna", []), "A face is needed: none was given."),
        (lambda ledger: ledger.label("Anna", [face("f")], "magic"), "Faces are labelled by cluster, hand, import"),
        (lambda ledger: ledger.remove_labels([face("f")]), "None of these faces was labelled"),
        (lambda ledger: ledger.must_link([face("f"), face("f")]), "At least 2 different faces are needed: only 1 was"),
        (lambda ledger: ledger.split_cluster("c", [[face("f")]]), "A cluster is split into at least two groups"),
        (lambda ledger: ledger.split_cluster("c", [[face("f")], [face("f")]]), "A face is in two groups of the split"),
        (
            lambda ledger: ledger.mark_photo("p", "painting"),
            "A photo is marked as collage or mirror, not as 'painting'",
        ),
        (lambda ledger: ledger.unmark_photo("p"), "The photo p is not marked."),
        (lambda ledger: ledger.draw_face(face("f", "p", (5, 5, 0, 9))), "A face's box must lie in the photo"),
        (lambda ledger: ledger.undo(77), "There is no event 77 in force to undo"),
    ],
)
def test_what_cannot_be_decided_is_one_sentence_and_leaves_nothing(
    act: Callable[[Ledger], object], sentence: str, ledger: Ledger
) -> None:
    ledger.create_person("Anna")
    with pytest.raises(LedgerError) as refused:
        act(ledger)
    assert (
        str(refused.value).startswith(sentence) and "\n" not in str(refused.value) and str(refused.value).endswith(".")
    )
    assert len(ledger.events()) == 1


def test_siblings_are_siblings_of_each_other_also_after_a_merge(ledger: Ledger) -> None:
    a, b, c, d = (ledger.create_person(name).person.id for name in "ABCD")
    ledger.declare_siblings(["A", "B"])
    ledger.declare_siblings(["B", "C"])
    assert ledger.decisions().siblings == {a: {b}, b: {a, c}, c: {b}}
    ledger.merge("B", "D")
    assert ledger.decisions().siblings == {a: {d}, d: {a, c}, c: {d}}


def test_the_newer_decision_on_a_face_and_a_person_counts(either: Ledger) -> None:
    either.label("Anna", [face("f"), face("g")])
    act = either.reject("Anna", [face("f")])
    assert act.faces == 1 and act.notes == ("1 face had been labelled as Anna; the newer decision counts.",)
    anna = act.person.id
    assert who(either) == {"g": "Anna"} and set(either.decisions().rejected) == {("f", anna)}
    act = either.confirm("Anna", [face("f")])
    assert act.notes[0] == "1 face had been rejected as Anna; the newer label counts."
    assert who(either) == {"f": "Anna", "g": "Anna"} and not either.decisions().rejected
    either.undo()
    assert who(either) == {"g": "Anna"} and set(either.decisions().rejected) == {("f", anna)}


def test_rejecting_one_person_leaves_the_label_of_another(ledger: Ledger) -> None:
    ledger.create_person("Bella")
    ledger.label("Anna", [face("f")])
    assert ledger.reject("Bella", [face("f")]).faces == 0
    assert who(ledger) == {"f": "Anna"}


def test_the_method_of_a_label_is_recorded(ledger: Ledger) -> None:
    for how in ("cluster", "hand", "import"):
        ledger.label("Anna", [face(how, how)], how)
    ledger.confirm("Anna", [face("confirmed", "c")])
    assert {f: mark.method for f, mark in ledger.decisions().labels.items()} == {
        how: how for how in ("cluster", "hand", "import", "confirmed")
    }


def test_a_face_taken_off_is_nobodys_and_may_be_anybodys_again(either: Ledger) -> None:
    either.label("Anna", [face("f"), face("g")])
    assert either.remove_labels([face("f"), face("new")]).faces == 1
    assert who(either) == {"g": "Anna"} and either.decisions().rejected == {}
    either.undo()
    assert who(either) == {"f": "Anna", "g": "Anna"}


def test_two_faces_of_one_person_in_a_photo_are_noted_unless_it_is_a_collage(either: Ledger) -> None:
    assert either.label("Anna", [face("a", "p1"), face("b", "p2")]).notes == ()
    (note,) = either.label("Anna", [face("c", "p1")]).notes
    assert note.startswith("Anna now has more than one face in 1 photo (as p1)")
    either.mark_photo("p2", "collage")
    assert either.label("Anna", [face("d", "p2")]).notes == ()
    assert either.mark_not_faces([face("x", "p3"), face("y", "p3")]).notes == ()
    assert len(who(either)) == 6, "people overrule"


def test_a_label_notes_the_labels_that_it_overrules(ledger: Ledger) -> None:
    ledger.label("Anna", [face("f"), face("g", "q")])
    assert ledger.label("Bella", [face("f"), face("g", "q")]).notes == (
        "2 faces had been labelled as Anna; the newer label counts.",
    )


def test_photos_are_marked_and_unmarked(either: Ledger) -> None:
    either.mark_photo("p", "collage")
    with pytest.raises(ConflictError, match=r"^The photo p is marked as collage already\.$"):
        either.mark_photo("p", "collage")
    either.mark_photo("p", "mirror")
    assert either.decisions().photo_marks == {"p": "mirror"}
    either.unmark_photo("p")
    assert either.decisions().photo_marks == {}


def test_a_face_drawn_by_hand_is_recorded_until_it_is_undone(ledger: Ledger) -> None:
    drawn = face("f", "p", (1.5, 2, 30, 40))
    ledger.draw_face(drawn)
    assert ledger.decisions().drawn == {"f": drawn}
    ledger.undo()
    assert ledger.decisions().drawn == {}


def test_the_faces_of_an_erased_person_stay_erased_and_no_decision_on_them_holds(either: Ledger) -> None:
    either.label("Ann", [face("a", "p1"), face("b", "p2")])
    either.label("Anna", [face("c", "p3")])
    either.merge("Ann", "Anna")
    either.must_link([face("a", "p1"), face("inferred", "p4")])
    either.label("Bella", [face("z", "p1")])
    erased = either.erase("Anna", [face("inferred", "p4")])
    assert erased.faces == 4 and erased.person.erased and erased.person.status == "hidden"
    state = either.decisions()
    assert set(state.erased_faces) == {"a", "b", "c", "inferred"} and state.links == ()
    assert who(either) == {"z": "Bella"}
    for name in ("Anna", "Ann"):
        with pytest.raises(UnknownError):
            either.rename(name, "Carla")
    with pytest.raises(ConflictError, match=r"^The face a is of a person who was erased"):
        either.label("Bella", [face("a", "p1")])
    assert either.create_person("Anna").person.id != erased.person.id, "another child may have the name"
    either.undo()
    either.undo(erased.events[0])
    assert who(either) == {"a": "Anna", "b": "Anna", "c": "Anna", "z": "Bella"} and not either.decisions().erased_faces
