"""For what people may not be shown, while a replay goes on: every refusal holds until somebody lifts it by hand.

A refusal is stored with each person that it may concern, by its source: `hand` and the event, `student` and the place
on the roster, or `name` and the normalized name of a roster's row without an id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from classface_assets.store.decisions.people.students import Refusal
from classface_assets.store.model.purposes import ALL_PURPOSES, Purpose

RefusalSource = tuple[str, int | str]


def purposes_of_event(payload: Mapping[str, object]) -> frozenset[Purpose]:
    """The purposes for which an event gives or withdraws consent; all of them where it names none."""
    purposes = payload.get("purposes") or [ALL_PURPOSES]
    assert isinstance(purposes, list)
    return frozenset(Purpose) if ALL_PURPOSES in purposes else frozenset(map(Purpose, purposes))


@dataclass
class ConsentRecords:
    """The answers about people.

    Attributes:
        refused: Person id -> purpose -> source -> the answer that nobody understood, if it refuses because of that, or
            an empty text.
        given: Person id -> the purposes for which consent was given by hand.
    """

    refused: dict[str, dict[str, dict[RefusalSource, str]]] = field(default_factory=dict)
    given: dict[str, set[str]] = field(default_factory=dict)

    def withdraw(self, people: Iterable[str], purposes: Iterable[str], event_id: int) -> None:
        """Withdraw consent by hand for the records of one person; this clears doubts about these purposes."""
        for person_id in people:
            for purpose in purposes:
                sources = self.refused.setdefault(person_id, {}).get(purpose, {})
                certain = {source: doubt for source, doubt in sources.items() if not doubt}
                self.refused[person_id][purpose] = {**certain, ("hand", event_id): ""}
            self.given.get(person_id, set()).difference_update(purposes)

    def give(self, person_id: str, people: Iterable[str], purposes: Iterable[str]) -> None:
        """Give consent by hand: it ends the refusals of `people`, all records of the person."""
        for other in people:
            for purpose in purposes:
                self.refused.get(other, {}).pop(purpose, None)
        self.given.setdefault(person_id, set()).update(purposes)

    def refuse(self, person_id: str, source: RefusalSource, refusal: Refusal) -> None:
        """Add a refusal of a roster."""
        for purpose in refusal.purposes:
            sources = self.refused.setdefault(person_id, {}).setdefault(purpose, {})
            is_certain = sources.get(source) == ""
            sources[source] = "" if is_certain else refusal.in_doubt

    def drop(self, person_id: str, source: RefusalSource) -> None:
        """Drop a refusal that turned out to be about somebody else."""
        for sources in self.refused.get(person_id, {}).values():
            sources.pop(source, None)

    def refused_to(self, people: Iterable[str]) -> frozenset[str]:
        """The purposes that are refused for any of these records of one person."""
        return frozenset(p for person in people for p, sources in self.refused.get(person, {}).items() if sources)

    def doubt_about(self, people: Iterable[str]) -> str:
        """The first answer that nobody understood and nobody cleared; empty if there is none."""
        refused = (sources for person in people for sources in self.refused.get(person, {}).values())
        return next((doubt for sources in refused for doubt in sources.values() if doubt), "")

    def given_to(self, people: Iterable[str]) -> frozenset[str]:
        """The purposes for which any of these records of one person has consent by hand."""
        return frozenset(purpose for person in people for purpose in self.given.get(person, ()))
