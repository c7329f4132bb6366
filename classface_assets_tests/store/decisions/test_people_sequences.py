"""Random sequences of what people do to a ledger, beside a model of what must hold after each: no refusal is lifted but
by hand or by its own undo, and every label that was not undone is with whom it was said of."""

from collections.abc import Callable, Iterator
from random import Random

import pytest

from classface_assets.store.decisions.replay import replay
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.purposes import Purpose
from classface_assets_tests.support.helpers import event, face

ON_ROSTER, ELSE = ("Anna", "Ben", "Cem"), ("Dora", "Eve", "Finn", "Gus")
SEQUENCES, STEPS = 300, 40


class Sequence:
    """A ledger that grows by random acts, as far as its checks would let them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.events: list[Event] = []
        self.now = Decisions()

    def step(self) -> None:
        act = self.random.choice([*_ACTS])
        for kind, payload in act(self):
            events = [*self.events, event(len(self.events) + 1, kind, **payload)]
            now = replay(events)
            if _is_sound(events, now):
                self.events, self.now = events, now

    def person(self, merged: bool = True) -> str | None:
        there = [p.id for p in self.now.persons.values() if merged or p.merged_into_id is None]
        return self.random.choice(there) if there else None

    def name(self) -> str:
        return self.random.choice((*ON_ROSTER, *ELSE))

    def some(self, of: tuple[str, ...]) -> list[str]:
        return self.random.sample(of, self.random.randint(1, len(of)))


Payloads = Iterator[tuple[str, dict[str, object]]]


def create(s: Sequence) -> Payloads:
    yield "person_created", {"person_id": f"p{len(s.events)}", "name": s.name()}


def rename(s: Sequence) -> Payloads:
    if person := s.person(merged=False):
        yield "person_renamed", {"person_id": person, "name": s.name()}


def label(s: Sequence) -> Payloads:
    if person := s.person():
        faces = [face(f, f"photo of {f}").payload() for f in s.some(("f", "g", "h"))]
        yield s.random.choice(["faces_labelled", "faces_confirmed"]), {"person_id": person, "faces": faces}


def merge(s: Sequence) -> Payloads:
    person, into = s.person(merged=False), s.person(merged=False)
    if person and into and person != into:
        yield "person_merged", {"person_id": person, "into_id": into}


def consent(s: Sequence) -> Payloads:
    if person := s.person():
        purposes = {"purposes": s.some(("album", "yearbook", "web"))} if s.random.random() < 0.6 else {}
        yield s.random.choice(["consent_given", "consent_withdrawn"]), {"person_id": person, **purposes}


def roster(s: Sequence) -> Payloads:
    rows: list[dict[str, object]] = []
    for name in s.some(ON_ROSTER):
        ids = {"Anna": ["7", "007", "8", ""], "Ben": ["9", "#N/A", ""], "Cem": [""]}[name]
        answers: list[dict[str, object]] = [{"consent": False}, {"consent": True}, {}, {"consent_in_doubt": "opt out"}]
        answers.append({"consents": {"web": False, "album": True}})
        rows.append({"name": name, "student_id": s.random.choice(ids), **s.random.choice(answers)})
    yield "roster_imported", {"source": "x", "digest": "x", "entries": rows}


def undo(s: Sequence) -> Payloads:
    if s.events:
        yield "undone", {"event_id": s.random.choice(s.events).id}


def hide(s: Sequence) -> Payloads:
    if person := s.person(merged=False):
        yield s.random.choice(["person_hidden", "person_shown"]), {"person_id": person}


_ACTS: tuple[Callable[[Sequence], Payloads], ...] = (
    *(create, create, rename, rename, label, label, merge, merge, consent, consent, roster, roster, undo, undo, hide),
)


def _is_sound(events: list[Event], now: Decisions) -> bool:
    """What the ledger itself checks: nothing is undone twice, no merge in force loses its sense."""
    last, gone = events[-1], undone_event_ids(events)
    if last.kind == "undone" and last.payload["event_id"] in undone_event_ids(events[:-1]):
        return False
    merges = [e.payload for e in events if e.kind == "person_merged" and e.id not in gone]
    people = [now.persons.get(merge["person_id"]) for merge in merges]
    return all(p is not None and p.merged_into_id == m["into_id"] for p, m in zip(people, merges, strict=True))


class Model:
    """The promises, read off the events one by one, with nothing remembered between them."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.gone = undone_event_ids(events)
        self.in_force = [e for e in events if e.id not in self.gone]
        self.people = {e.payload["person_id"]: e.id for e in self.in_force if e.kind == "person_created"}
        self.named = [e for e in self.in_force if e.kind in ("person_created", "person_renamed")]

    def group(self, person: str, before: int, then: bool = False) -> set[str]:
        """Everybody who is one with the person by merges in force now, and those in force `then`, before an event."""
        gone = undone_event_ids(e for e in self.events if e.id < before) if then else self.gone
        merges = [e for e in self.events if e.kind == "person_merged" and e.id < before]
        pairs = [{e.payload["person_id"], e.payload["into_id"]} for e in merges if e.id not in gone & self.gone]
        found = {person}
        while any(pair & found and not pair <= found for pair in pairs):
            found |= {p for pair in pairs if pair & found for p in pair}
        return found

    def refused(self, person: str, purpose: str) -> bool:
        """Whether a refusal stands that was said of this one, or of whoever has the name on a roster."""
        lifted = [
            e.id
            for e in self.in_force
            if e.kind == "consent_given" and _is_for(e, purpose) and person in self.group(e.payload["person_id"], e.id)
        ]
        return any(refusal > max(lifted, default=0) for refusal in self._refusals(person, purpose))

    def _refusals(self, person: str, purpose: str) -> Iterator[int]:
        for e in self.in_force:
            if e.kind == "consent_withdrawn" and _is_for(e, purpose):
                if person in self.group(e.payload["person_id"], e.id, then=True):
                    yield e.id
            elif e.kind == "roster_imported":
                for row in e.payload["entries"]:
                    if _refuses(row, purpose):
                        yield from self._called(person, row["name"], e.id)

    def _called(self, person: str, name: str, imported: int) -> Iterator[int]:
        """When it came to be that the person may be whom a row names: by the import, or by a name given afterwards."""
        mine = [e for e in self.named if e.payload["person_id"] == person]
        before = [e.payload["name"] for e in mine if e.id < imported]
        after = [e.id for e in mine if e.id > imported and e.payload["name"] == name]
        if before and before[-1] == name:
            yield imported
        elif after:
            yield imported if name in before else after[0]

    def may_be_refused(self, person: str) -> bool:
        """Whether anything was ever said of whoever the person was one with, or of a name they ever had."""
        pairs = [{e.payload["person_id"], e.payload["into_id"]} for e in self.events if e.kind == "person_merged"]
        found = {person}
        while any(pair & found and not pair <= found for pair in pairs):
            found |= {p for pair in pairs if pair & found for p in pair}
        names = {e.payload["name"] for e in self.named if e.payload["person_id"] in found}
        rows = [row for e in self.in_force if e.kind == "roster_imported" for row in e.payload["entries"]]
        return any(e.kind == "consent_withdrawn" and e.payload["person_id"] in found for e in self.in_force) or any(
            row["name"] in names and any(_refuses(row, purpose) for purpose in Purpose) for row in rows
        )

    def labels(self) -> dict[str, str]:
        """Face → person, by the last word on each."""
        words = [e for e in self.in_force if e.kind in ("faces_labelled", "faces_confirmed")]
        words = [e for e in words if e.payload["person_id"] in self.people]
        return {f["face_id"]: e.payload["person_id"] for e in words for f in e.payload["faces"]}


def _is_for(event: Event, purpose: str) -> bool:
    return purpose in event.payload.get("purposes", [purpose])


def _refuses(row: dict[str, object], purpose: str) -> bool:
    consents = row.get("consents", {})
    assert isinstance(consents, dict)
    return row.get("consent") is False or "consent_in_doubt" in row or consents.get(purpose) is False


@pytest.mark.parametrize("part", range(6))
def test_whatever_people_do_no_refusal_is_lifted_but_by_hand_and_no_label_moves(part: int) -> None:
    checked = 0
    for seed in range(part * SEQUENCES // 6, (part + 1) * SEQUENCES // 6):
        sequence = Sequence(seed)
        for number in range(STEPS):
            sequence.step()
            if number % 4 == 3:
                checked += _check(sequence, seed)
    assert checked > SEQUENCES


def _check(sequence: Sequence, seed: int) -> int:
    """Returns how many refusals there were."""
    model, now, found = Model(sequence.events), sequence.now, 0
    for person in now.persons.values():
        group = [p for p in now.persons if now.canonical_id(p) == now.canonical_id(person.id)]
        expected = {p for p in Purpose if any(model.refused(one, p) for one in group)}
        where = f"seed {seed}: {person.id} after {[(e.id, e.kind, dict(e.payload)) for e in sequence.events]}"
        assert expected <= person.refused, where
        assert not person.refused or any(model.may_be_refused(one) for one in group), where
        assert not any(person.consents.get(p) for p in person.refused)
        assert (person.consent is False) == ("album" in person.refused)
        found += len(expected)
    labels = {f: now.canonical_id(p) for f, p in model.labels().items()}
    assert {f: mark.person_id for f, mark in now.labels.items()} == labels, f"seed {seed}"
    return found
