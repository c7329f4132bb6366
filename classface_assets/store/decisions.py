"""What people have said, as it stands after some event: persons, and what was said of faces and photos."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from classface_assets.store.roster_entry import RosterEntry

Box = tuple[float, float, float, float]
Portrait = tuple[str, str]
"""The person to whom it was given, and the id of the face in it."""

KINDS = ("student", "staff", "not a student", "not a face")
LABELLED_BY = ("cluster", "hand", "import", "confirmed")


@dataclass(frozen=True)
class Person:
    """`status`: active, merged or hidden. An erased person is hidden for good.

    `consent`: whether albums may show the person, None where nobody said. `consents`: the same by purpose
    (`consent.Purpose`), absent where nobody said. `refused`: the purposes for which the person may not be shown.
    `consent_in_doubt`: an answer that could not be understood, empty where there is none; it counts as a refusal.
    """

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    status: str = "active"
    merged_into_id: str | None = None
    kind: str = "student"
    birth_date: date | None = None
    consent: bool | None = None
    erased: bool = False
    consents: Mapping[str, bool] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    consent_in_doubt: str = ""


@dataclass(frozen=True)
class LabelledFace:
    """A face as the ledger keeps it: its id, and the photo and box by which it is found when a detector changes."""

    face_id: str
    asset_id: str
    box: Box

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "LabelledFace":
        return cls(payload["face_id"], payload["asset_id"], tuple(payload["box"]))

    def payload(self) -> dict[str, Any]:
        return {"face_id": self.face_id, "asset_id": self.asset_id, "box": list(self.box)}


@dataclass(frozen=True)
class FaceMark:
    """What was said of a face and a person, by which event, and where the face lies.

    `how` a label came about: cluster, hand, import or confirmed; empty where it was not kept.
    """

    person_id: str
    asset_id: str
    box: Box
    event_id: int = 0
    how: str = ""


@dataclass(frozen=True)
class Link:
    """Two faces said to be of one person (`same`) or of two."""

    a: LabelledFace
    b: LabelledFace
    same: bool
    event_id: int


@dataclass(frozen=True)
class Decisions:
    """The state after the last event, merged persons resolved to who they became.

    `persons` by id. `marks`: whose each labelled face is, by face id. `taken_off`: by face id, the word by which a face
    is nobody's any more. `rejected`: by (face id, person id), who a face is not. `links`, oldest first; they may
    contradict one another. `photo_marks`: asset id → collage or mirror. `siblings`: person → those said to be theirs.
    `drawn`: faces that a person drew, `barred`: faces of erased people, both by face id. `roster`: the students of the
    school's rosters, whether seen or not; what it says of consent, birth dates and siblings is in the fields above too.
    `portraits`: person → the portraits that they, and those who were merged into them, are enrolled with.
    """

    persons: dict[str, Person] = field(default_factory=dict)
    marks: dict[str, FaceMark] = field(default_factory=dict)
    taken_off: dict[str, FaceMark] = field(default_factory=dict)
    rejected: dict[tuple[str, str], FaceMark] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    photo_marks: dict[str, str] = field(default_factory=dict)
    siblings: dict[str, frozenset[str]] = field(default_factory=dict)
    drawn: dict[str, LabelledFace] = field(default_factory=dict)
    barred: dict[str, LabelledFace] = field(default_factory=dict)
    roster: tuple[RosterEntry, ...] = ()
    portraits: dict[str, tuple[Portrait, ...]] = field(default_factory=dict)

    def became(self, person_id: str) -> str:
        """The person that this one is now, after all merges."""
        while (person := self.persons.get(person_id)) is not None and person.merged_into_id is not None:
            person_id = person.merged_into_id
        return person_id

    def record(self, name: str) -> Person | None:
        """The person of that name, whatever the case and the spaces around it; one who was merged only if no other."""
        wanted = fold(name)
        called = [p for p in self.persons.values() if fold(p.name) == wanted and not p.erased]
        return next((p for p in called if p.status != "merged"), called[0] if called else None)

    def named(self, name: str) -> Person | None:
        """The person of that name, or whom the person of that name was merged into."""
        person = self.record(name)
        return person and self.persons[self.became(person.id)]


def fold(name: str) -> str:
    """The form in which two names are the same: no matter the case, the spaces, how accents are encoded, or what is
    invisible (a joiner between two Persian letters, a mark of the writing direction)."""
    if name.isascii():
        return " ".join(name.casefold().split())
    seen = "".join(c for c in unicodedata.normalize("NFC", name.casefold()) if unicodedata.category(c) != "Cf")
    return " ".join(seen.split())
