"""Who may not be shown for what while a replay goes on: every refusal stands until somebody lifts it by hand.

A refusal is kept with each person that it may be about, and by where it comes from: `hand` and the event, `student` and
the place on the roster, `name` and the folded name of a roster's row without an id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from classface_assets.store.decisions.students import Refusal
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose

RefusalSource = tuple[str, int | str]


def purposes_of_event(payload: Mapping[str, object]) -> frozenset[Purpose]:
    """For which purposes an event gives or withdraws consent; all of them where it does not say."""
    told = payload.get("purposes") or [ALL_PURPOSES]
    assert isinstance(told, list)
    return frozenset(Purpose) if ALL_PURPOSES in told else frozenset(map(Purpose, told))


@dataclass
class ConsentRecords:
    """By person: `refused`, purpose → sources → the answer that nobody understood, if it is for that; and `given`, the
    purposes for which somebody said yes by hand."""

    refused: dict[str, dict[str, dict[RefusalSource, str]]] = field(default_factory=dict)
    given: dict[str, set[str]] = field(default_factory=dict)

    def withdraw(self, people: Iterable[str], purposes: Iterable[str], event_id: int) -> None:
        """Said by hand of these people, who are one; a doubt of these purposes is cleared by it."""
        for person_id in people:
            for purpose in purposes:
                told = self.refused.setdefault(person_id, {}).get(purpose, {})
                sure = {source: doubt for source, doubt in told.items() if not doubt}
                self.refused[person_id][purpose] = {**sure, ("hand", event_id): ""}
            self.given.get(person_id, set()).difference_update(purposes)

    def give(self, person_id: str, people: Iterable[str], purposes: Iterable[str]) -> None:
        """Said by hand of a person: the refusals of all people whom that is end."""
        for other in people:
            for purpose in purposes:
                self.refused.get(other, {}).pop(purpose, None)
        self.given.setdefault(person_id, set()).update(purposes)

    def refuse(self, person_id: str, source: RefusalSource, refusal: Refusal) -> None:
        """A roster says so."""
        for purpose in refusal.purposes:
            told = self.refused.setdefault(person_id, {}).setdefault(purpose, {})
            is_sure = told.get(source) == ""
            told[source] = "" if is_sure else refusal.in_doubt

    def drop(self, person_id: str, source: RefusalSource) -> None:
        """The refusal turned out to be about somebody else."""
        for told in self.refused.get(person_id, {}).values():
            told.pop(source, None)

    def refused_to(self, people: Iterable[str]) -> frozenset[str]:
        """The purposes for which these people, who are one, are refused: the strictest of them."""
        return frozenset(p for person in people for p, told in self.refused.get(person, {}).items() if told)

    def doubt_about(self, people: Iterable[str]) -> str:
        """The first answer that nobody understood and nobody cleared."""
        told = (told for person in people for told in self.refused.get(person, {}).values())
        return next((doubt for sources in told for doubt in sources.values() if doubt), "")

    def given_to(self, people: Iterable[str]) -> frozenset[str]:
        return frozenset(purpose for person in people for purpose in self.given.get(person, ()))
