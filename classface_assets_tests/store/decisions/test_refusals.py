"""A refusal belongs to the person and not to the name: it ends only when somebody says so by hand."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date

import pytest

from classface_assets.store.decisions.history import event_sentences
from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.payloads import payload_error
from classface_assets.store.ledger.redaction import redact_people
from classface_assets.store.ledger.transaction import LedgerError
from classface_assets.store.model.decisions import Person
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.published.newer_refusals import apply_newer_refusals
from classface_assets.store.published.tables import person_rows
from classface_assets_tests.support.helpers import event, face

EVERYTHING = frozenset({"album", "yearbook", "web"})
NO, YES = RosterEntry("Ben Weiss", "18", consent=False), RosterEntry("Ben Weiss", "18", consent=True)


def import_rows(ledger: Ledger, *rows: RosterEntry) -> int:
    done = ledger.import_roster(rows, "list.csv").event
    assert done is not None
    return done


def person(ledger: Ledger, person_id: str) -> Person:
    return ledger.decisions().persons[person_id]


def refused_ben(ledger: Ledger) -> str:
    """Ben Weiss, whom the roster refuses; his id."""
    import_rows(ledger, NO, RosterEntry("Olga", "19", consent=True))
    ben = ledger.label("Ben Weiss", [face("f")]).person
    assert (ben.consent, ben.refused, ben.consents) == (False, EVERYTHING, dict.fromkeys(EVERYTHING, False))
    return ben.id


LIFTS_NOTHING: Mapping[str, Callable[[Ledger], object]] = {
    "a new name": lambda ledger: ledger.rename("Ben Weiss", "Ben Kern"),
    "the name of another, who consented": lambda ledger: ledger.rename("Ben Weiss", "Olga"),
    "a merge into one who consented": lambda ledger: (
        ledger.create_person("Benny"),
        ledger.set_consent("Benny", True),
        ledger.merge("Ben Weiss", "Benny"),
    ),
    "a merge of one who consented": lambda ledger: (
        ledger.create_person("Benny"),
        ledger.set_consent("Benny", True),
        ledger.merge("Benny", "Ben Weiss"),
    ),
    "a roster that says yes": lambda ledger: import_rows(ledger, YES),
    "a roster that says yes without an id": lambda ledger: import_rows(
        ledger, RosterEntry("Ben Weiss", "", {"2020-2021": "2b"}, consent=True)
    ),
    "a new spelling that says yes": lambda ledger: import_rows(ledger, replace(YES, name="Benjamin Weiss-Kern")),
    "a married name, and a roster that says yes to it": lambda ledger: (
        ledger.rename("Ben Weiss", "Ben Kern"),
        import_rows(ledger, replace(YES, name="Ben Kern", student_id="")),
    ),
    "an id that says nothing any more": lambda ledger: import_rows(
        ledger, RosterEntry("Ben Weiss", "#N/A", {"2020-2021": "2b"})
    ),
    "a yes for one purpose": lambda ledger: import_rows(ledger, replace(YES, consent=None, consents={"album": True})),
    "hiding and showing": lambda ledger: (ledger.hide("Ben Weiss"), ledger.show("Ben Weiss")),
    "a birth date and another kind": lambda ledger: (
        ledger.set_birth_date("Ben Weiss", date(2010, 1, 1)),
        ledger.set_kind("Ben Weiss", "staff"),
    ),
    "another person of the old name": lambda ledger: (
        ledger.rename("Ben Weiss", "Ben Kern"),
        ledger.label("Ben Weiss", [face("g")]),
    ),
    "taking the student out of the roster": lambda ledger: ledger.remove_student("18"),
}


@pytest.mark.parametrize("what", LIFTS_NOTHING)
def test_nothing_but_consent_by_hand_lifts_a_rosters_refusal(ledger: Ledger, what: str) -> None:
    """Seen: a new name lifted it."""
    ben = refused_ben(ledger)
    LIFTS_NOTHING[what](ledger)
    now = person(ledger, ledger.decisions().canonical_id(ben))
    assert (now.consent, now.refused) == (False, EVERYTHING)
    ledger.set_consent(now.id, True)
    assert person(ledger, now.id).consent is True and person(ledger, now.id).refused == frozenset()
    assert ledger.events()[-1].kind == "consent_given", "and the ledger shows who said so"


@pytest.mark.parametrize("what", [what for what in LIFTS_NOTHING if "taking" not in what])
def test_nothing_but_consent_by_hand_lifts_a_refusal_by_hand(ledger: Ledger, what: str) -> None:
    import_rows(ledger, RosterEntry("Ben Weiss", "18"), RosterEntry("Olga", "19", consent=True))
    ben = ledger.label("Ben Weiss", [face("f")]).person.id
    ledger.set_consent("Ben Weiss", False)
    LIFTS_NOTHING[what](ledger)
    assert person(ledger, ledger.decisions().canonical_id(ben)).refused == EVERYTHING


def test_who_refused_on_the_roster_is_refused_from_the_moment_they_have_a_name(ledger: Ledger) -> None:
    import_rows(ledger, NO)
    assert ledger.label("BEN  weiss", [face("f")]).person.consent is False
    other = ledger.label("Unknown boy", [face("g")]).person
    assert other.consent is None
    import_rows(ledger, RosterEntry("Dan", "20", consent=False))
    assert ledger.rename("Unknown boy", "Dan").person.consent is False
    ledger.rename("Dan", "Unknown boy")
    assert person(ledger, other.id).consent is False
    ledger.undo(), ledger.undo()
    assert person(ledger, other.id).consent is None, "the word that made him Dan was taken back"


def test_a_name_given_before_the_first_roster_counts(ledger: Ledger) -> None:
    ben = ledger.label("Ben Weiss", [face("f")]).person
    ledger.rename("Ben Weiss", "Ben Kern")
    event_id = import_rows(ledger, NO)
    assert person(ledger, ben.id).consent is False, "the roster has the name from before the marriage"
    ledger.undo(event_id)
    assert person(ledger, ben.id).consent is None


def test_undoing_what_refused_takes_it_back(ledger: Ledger) -> None:
    ben = refused_ben(ledger)
    refused = ledger.set_consent("Ben Weiss", False).events[0]
    ledger.undo(1)
    assert person(ledger, ben).consent is False, "by hand still"
    ledger.undo(refused)
    assert person(ledger, ben).consent is None


def test_consent_by_hand_counts_until_the_next_refusal(ledger: Ledger) -> None:
    ben = refused_ben(ledger)
    ledger.set_consent("Ben Weiss", True)
    assert person(ledger, ben).consent is True
    ledger.rename("Ben Weiss", "Ben Kern"), ledger.rename("Ben Kern", "Ben Weiss")
    assert person(ledger, ben).consent is True, "the same No is no new one"
    import_rows(ledger, replace(NO, classes={"2020-2021": "2b"}))
    assert person(ledger, ben).consent is False, "a newer file says it again"


def test_consent_from_before_the_person_had_the_refused_name_does_not_lift_the_refusal(ledger: Ledger) -> None:
    boy = ledger.create_person("Unknown boy").person.id
    import_rows(ledger, NO)
    ledger.set_consent("Unknown boy", True)
    assert person(ledger, boy).consent is True
    ledger.rename("Unknown boy", "Ben Weiss")
    assert person(ledger, boy).consent is False


def test_consent_is_per_purpose_and_without_any_for_all(either: Ledger) -> None:
    anna = either.create_person("Anna").person.id
    either.set_consent("Anna", True, ["album", "yearbook"])
    now = person(either, anna)
    assert (now.consent, now.consents, now.refused) == (True, {"album": True, "yearbook": True}, frozenset())
    either.set_consent("Anna", False, ["album"])
    now = person(either, anna)
    assert (now.consent, now.consents, now.refused) == (False, {"album": False, "yearbook": True}, {"album"})
    either.set_consent("Anna", False)
    assert person(either, anna).refused == EVERYTHING
    either.set_consent("Anna", True, ["web"])
    assert person(either, anna).refused == {"album", "yearbook"}
    either.set_consent("Anna", True, ["all"])
    assert person(either, anna).consents == dict.fromkeys(["album", "yearbook", "web"], True)
    with pytest.raises(LedgerError, match=r"^'press' is no purpose; it is one of album, yearbook, web, all\.$"):
        either.set_consent("Anna", True, ["press"])
    assert list(event_sentences(either.events()))[1:3] == [
        "consent given for Anna (album, yearbook)",
        "consent withdrawn for Anna (album)",
    ]
    given = either.events()[1]
    assert payload_error(given.kind, given.payload) is None
    assert payload_error(given.kind, {**given.payload, "purposes": ["press"]}) and payload_error(
        given.kind, {**given.payload, "purposes": []}
    )
    (row,) = person_rows(either.decisions()).rows(named=True)
    published = {name: value for name, value in row.items() if name.startswith("consent")}
    assert published == dict.fromkeys(["consent", "consent_album", "consent_yearbook", "consent_web"], True)


def test_a_roster_refuses_per_purpose_and_the_stricter_answer_counts(ledger: Ledger) -> None:
    rows = [
        RosterEntry("Anna", "1", consent=True, consents={"web": False}),
        RosterEntry("Ben", "2", consents={"yearbook": True, "album": False}),
        RosterEntry("Cem", "3", consent=False, consents={"album": True}),
    ]
    import_rows(ledger, *rows)
    people = [ledger.create_person(row.name).person for row in rows]
    assert [dict(p.consents) for p in people] == [
        {"album": True, "yearbook": True, "web": False},
        {"album": False, "yearbook": True},
        {"album": False, "yearbook": False, "web": False},
    ]
    assert [p.consent for p in people] == [True, False, False]


def test_an_answer_that_nobody_understood_refuses_everything_until_somebody_clears_it(ledger: Ledger) -> None:
    import_rows(ledger, RosterEntry("Anna", "1", consent_in_doubt="Opt out"), RosterEntry("Ben", "2", consent=True))
    anna = ledger.create_person("Anna").person
    assert (anna.consent, anna.refused, anna.consent_in_doubt) == (False, EVERYTHING, "Opt out")
    import_rows(ledger, RosterEntry("Anna", "1", {"2020-2021": "2b"}, consent=True))
    assert person(ledger, anna.id).consent_in_doubt == "Opt out", "a file clears nothing"
    ledger.set_consent("Anna", True, ["yearbook"])
    now = person(ledger, anna.id)
    assert (now.refused, now.consent_in_doubt) == ({"album", "web"}, "Opt out")
    ledger.set_consent("Anna", False)
    now = person(ledger, anna.id)
    assert (now.refused, now.consent_in_doubt) == (EVERYTHING, ""), "it is sure now"
    ledger.undo(), ledger.undo()
    ledger.set_consent("Anna", True)
    now = person(ledger, anna.id)
    assert (now.refused, now.consent_in_doubt, now.consent) == (frozenset(), "", True)


def test_two_who_are_merged_are_refused_what_either_is_and_get_their_own_back(ledger: Ledger) -> None:
    a, b = ledger.create_person("A").person.id, ledger.create_person("B").person.id
    ledger.set_consent("A", False, ["web"]), ledger.set_consent("B", True), ledger.set_consent("B", False, ["yearbook"])
    merge = ledger.merge("A", "B").events[0]
    assert person(ledger, b).refused == {"web", "yearbook"} == person(ledger, a).refused
    ledger.undo(merge)
    assert person(ledger, a).refused == {"web"} and person(ledger, b).refused == {"yearbook"}


def test_what_was_refused_while_two_were_one_stays_with_both(ledger: Ledger) -> None:
    a, b = ledger.create_person("A").person.id, ledger.create_person("B").person.id
    ledger.create_person("C"), ledger.merge("A", "C")
    merge = ledger.merge("C", "B").events[0]
    ledger.set_consent("B", False, ["web"])
    ledger.set_consent("A", False, ["album"])
    ledger.undo(merge)
    assert person(ledger, a).refused == {"web", "album"} == person(ledger, b).refused
    undo = ledger.events()[-1].id
    ledger.undo(undo)
    ledger.set_consent("B", True)
    assert person(ledger, b).refused == frozenset()
    ledger.undo(merge)
    assert person(ledger, b).refused == frozenset()
    assert person(ledger, a).refused == {"web", "album"}, "the yes was said of the other"


def test_a_refusal_before_a_merge_or_after_its_undo_concerns_one_person(ledger: Ledger) -> None:
    a, b = ledger.create_person("A").person.id, ledger.create_person("B").person.id
    merge = ledger.merge("A", "B").events[0]
    ledger.undo(merge)
    ledger.set_consent("B", False)
    assert person(ledger, a).refused == frozenset() and person(ledger, b).refused == EVERYTHING


def test_who_may_be_the_one_of_two_who_refused_is_refused(ledger: Ledger) -> None:
    anna = ledger.create_person("Anna").person.id
    import_rows(ledger, RosterEntry("Anna", "7", consent=True), RosterEntry("Anna", "8", consents={"web": False}))
    assert person(ledger, anna).refused == {"web"} and "album" not in person(ledger, anna).consents
    ledger.link_student(anna, "7")
    assert person(ledger, anna).consents == dict.fromkeys(["album", "yearbook", "web"], True)


def test_a_row_without_an_id_refuses_for_everybody_of_its_name(ledger: Ledger) -> None:
    import_rows(ledger, RosterEntry("Anna", "7", consent=True), RosterEntry("Anna", "8", consent=True))
    seven, eight = (ledger.label(f"Anna ({n})", [face(str(n))]).person for n in (7, 8))
    assert (seven.consent, eight.consent) == (True, True)
    import_rows(ledger, RosterEntry("Anna", "", {"2018-2019": "1a"}, consent=False))
    assert [person(ledger, p.id).consent for p in (seven, eight)] == [False, False]
    ledger.set_consent(seven.id, True)
    assert [person(ledger, p.id).consent for p in (seven, eight)] == [True, False]


def test_a_row_without_an_id_that_was_taken_for_one_student_may_have_meant_another(ledger: Ledger) -> None:
    import_rows(ledger, RosterEntry("Anna", "", {"2018-2019": "1a"}, consent=False))
    import_rows(ledger, RosterEntry("Anna", "7", {"2019-2020": "2a"}))
    import_rows(ledger, RosterEntry("Anna", "8", {"2019-2020": "2b"}))
    assert [entry.student_id for entry in ledger.decisions().roster] == ["7", "8"]
    seven, eight = (ledger.label(f"Anna ({n})", [face(n)]).person for n in ("2a", "2b"))
    assert (seven.consent, eight.consent) == (False, False)


def test_one_who_joins_later_with_the_name_of_a_known_student_and_refuses_is_not_taken_for_them_silently(
    ledger: Ledger,
) -> None:
    import_rows(ledger, RosterEntry("Anna", "7", consent=True))
    anna = ledger.label("Anna", [face("f")]).person.id
    import_rows(ledger, RosterEntry("Anna", "8", consent=False))
    assert person(ledger, anna).consent is False, "nobody said which of the two she is"
    assert ledger.link_student(anna, "7").person.consent is True
    assert ledger.label("Anna (8)", [face("g")]).person.consent is False


def test_a_refusal_that_is_newer_than_what_is_published_counts_for_each_purpose(ledger: Ledger) -> None:
    import_rows(ledger, RosterEntry("Anna", "7", consent=True))
    anna = ledger.create_person("Anna").person.id
    then = ledger.decisions()
    ledger.set_consent("Anna", False, ["web"])
    import_rows(ledger, RosterEntry("Anna", "7", consent_in_doubt="perhaps", consents={"yearbook": False}))
    ledger.set_consent("Anna", True, ["album"])
    now = apply_newer_refusals(then, ledger.decisions()).persons[anna]
    assert (now.refused, now.consent, now.consent_in_doubt) == ({"web", "yearbook"}, True, "perhaps")
    assert now.consents == {"album": True, "web": False, "yearbook": False}


def test_an_old_ledger_with_wrongly_joined_rows_refuses_everybody_that_its_rows_refuse() -> None:
    """Three students with "N/A" for an id were one, and the last row had the last word."""
    rows = [{"name": n, "student_id": "N/A", "consent": c} for n, c in (("Anna", False), ("Ben", True), ("Cem", True))]
    events = [event(n, "person_created", person_id=name, name=name) for n, name in enumerate(("Anna", "Ben", "Cem"), 1)]
    now = replay([*events, event(9, "roster_imported", source="x", digest="x", entries=rows)]).persons
    assert [p.consent for p in now.values()] == [False, True, True]


def test_consents_of_an_old_ledger_are_for_every_purpose() -> None:
    events = [event(1, "person_created", person_id="p", name="Anna"), event(2, "consent_withdrawn", person_id="p")]
    assert replay(events).persons["p"].refused == EVERYTHING
    assert replay([*events, event(3, "consent_given", person_id="p")]).persons["p"].consent is True
    assert replay([*events, event(3, "undone", event_id=2)]).persons["p"].consent is None


def test_an_erased_person_leaves_a_refusal_to_others_whom_it_may_concern(ledger: Ledger) -> None:
    import_rows(ledger, NO)
    first = ledger.label("Ben Weiss", [face("f")]).person.id
    ledger.rename(first, "Ben Kern")
    import_rows(ledger, replace(NO, name="Ben Kern"))
    second = ledger.label("Ben Weiss", [face("g")]).person
    assert second.consent is False
    ledger.erase(first)
    redact_people(ledger.url, {first})
    assert ledger.decisions().roster == () and person(ledger, second.id).consent is False
