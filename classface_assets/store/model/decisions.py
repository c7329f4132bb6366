"""The decisions in force after some event: people, and what is recorded of faces and photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from classface_assets.core.names import normalize_name, normalized_name
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.same_shots import SameShots

if TYPE_CHECKING:  # geometry computes with polars, for which commands that only print help would wait
    from classface_assets.core.geometry import Box

Portrait = tuple[str, str]
"""The person to whom it was given, and the id of the face in it."""

NOT_A_FACE = "Not a face"
"""The name of the one person that collects everything that is no face at all."""

LABEL_METHODS = ("cluster", "hand", "import", "confirmed", "match")


@dataclass(frozen=True)
class Person:
    """A person of the archive.

    Attributes:
        id: UUID.
        name: As it was given.
        created_at: When the person was created.
        updated_at: When an event last changed the person.
        status: Value of a `PersonStatus`. An erased person is hidden for good. All decisions about a merged person hold
            for the person that they were merged into.
        merged_into_id: The person that this one was merged into.
        kind: Value of a `PersonKind`.
        birth_date: As set by hand, or on the roster.
        consent: The answer for albums; None where nobody answered.
        erased: Whether the person was erased.
        consents: Purpose (`purposes.Purpose`) -> the answer, absent where nobody answered.
        refused: The purposes for which the person may not be shown, whoever refused, and whatever was agreed to.
        consent_in_doubt: The answer, as a roster wrote it, that counts as a refusal until somebody clears it by hand.
        student_id: The school's id of the student on its roster who the person is.
        display_name: The name, with class and year of birth where others have the same one.
    """

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    status: str = PersonStatus.ACTIVE.value
    merged_into_id: str | None = None
    kind: str = PersonKind.STUDENT.value
    birth_date: date | None = None
    consent: bool | None = None
    erased: bool = False
    consents: Mapping[str, bool] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    consent_in_doubt: str = ""
    student_id: str = ""
    display_name: str = ""


@dataclass(frozen=True)
class FaceLabel:
    """That a face is, or is not, a person.

    Attributes:
        person_id: The person.
        asset_id: The photo.
        box: Where the face lies in the photo.
        event_id: The event that recorded it.
        method: How a label came about, one of `LABEL_METHODS`; empty where it was not recorded.
    """

    person_id: str
    asset_id: str
    box: Box
    event_id: int = 0
    method: str = ""


@dataclass(frozen=True)
class FaceLink:
    """That two faces are of one person (`same`), or of two."""

    a: FaceRef
    b: FaceRef
    same: bool
    event_id: int


@dataclass(frozen=True)
class Decisions:
    """The state after the last event, with merged people resolved to those they were merged into.

    `drawn`, `erased_faces` and `photo_marks` hold for all photos of a shot already; labels, rejections and links are
    carried over by `reconciliation.constraints_for`.

    Attributes:
        persons: Person id -> person.
        labels: Face id -> the person who the face is.
        removed_labels: Face id -> the event that removed its label.
        rejected: (face id, person id) -> that the face is not that person.
        links: Pairs of faces, oldest first; they may contradict one another.
        photo_marks: Asset id -> collage or mirror.
        siblings: Person id -> those who are declared their siblings.
        drawn: Face id -> a face that somebody drew.
        erased_faces: Face id -> a face of an erased person.
        roster: The students of the school's rosters, whether seen or not. What it says of consent, birth dates and
            siblings is in the fields above, too.
        portraits: Person id -> the portraits that they, and those who were merged into them, are enrolled with.
        covers: Person id -> the face by which somebody chose that they are shown; see `reconciliation.chosen_covers`.
        same_shots: Which photos show one shot.
        students: `RosterEntry.key` -> the person who that student is, also of one that no roster lists at present.
        student_names: `RosterEntry.key` -> the name that tells a student apart, for those who are no person yet and
            have a name that others have, too.
        sessions: Session id -> the set of photos.
        session_events: Session id -> the event that described it last.
        attendance: (session id, person id) -> whether the person was there, where somebody corrected what photos show.
    """

    persons: dict[str, Person] = field(default_factory=dict)
    labels: dict[str, FaceLabel] = field(default_factory=dict)
    removed_labels: dict[str, FaceLabel] = field(default_factory=dict)
    rejected: dict[tuple[str, str], FaceLabel] = field(default_factory=dict)
    links: tuple[FaceLink, ...] = ()
    photo_marks: dict[str, str] = field(default_factory=dict)
    siblings: dict[str, frozenset[str]] = field(default_factory=dict)
    drawn: dict[str, FaceRef] = field(default_factory=dict)
    erased_faces: dict[str, FaceRef] = field(default_factory=dict)
    roster: tuple[RosterEntry, ...] = ()
    portraits: dict[str, tuple[Portrait, ...]] = field(default_factory=dict)
    covers: dict[str, FaceRef] = field(default_factory=dict)
    same_shots: SameShots = field(default_factory=SameShots)
    students: dict[str, str] = field(default_factory=dict)
    student_names: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, PhotoSession] = field(default_factory=dict)
    session_events: dict[str, int] = field(default_factory=dict)
    attendance: dict[tuple[str, str], bool] = field(default_factory=dict)

    def canonical_id(self, person_id: str) -> str:
        """The person that this one is after all merges."""
        while (person := self.persons.get(person_id)) is not None and person.merged_into_id is not None:
            person_id = person.merged_into_id
        return person_id

    def find_person(self, name: str) -> Person | None:
        """The one person of that name (`people_named`); None also where several may be meant."""
        found = self.people_named(name)
        return found[0] if found and (len(found) == 1 or found[0].status == PersonStatus.MERGED) else None

    def find_current_person(self, name: str) -> Person | None:
        """The person of that name, or the one that they were merged into."""
        person = self.find_person(name)
        return person and self.persons[self.canonical_id(person.id)]

    def people_named(self, name: str) -> list[Person]:
        """Everybody of that name or display name, whatever its case and spaces; merged people only if nobody else."""
        normalized = normalize_name(name)
        present = [p for p in self.persons.values() if not p.erased]
        shown = [p for p in present if p.display_name != p.name and normalized_name(p.display_name) == normalized]
        found = shown or [p for p in present if normalized_name(p.name) == normalized]
        return [p for p in found if p.status != PersonStatus.MERGED] or found

    def unlinked_students_named(self, name: str) -> list[RosterEntry]:
        """The students on the rosters of that name or display name who are no person yet."""
        normalized = normalize_name(name)
        shown = [e for e in self.roster if normalized_name(self.student_names.get(e.key, "")) == normalized]
        return shown or self.without_person([e for e in self.roster if normalized_name(e.name) == normalized])

    def without_person(self, namesakes: Sequence[RosterEntry]) -> list[RosterEntry]:
        """Of all students of one name those who are no person.

        A row without an id that may be the one of somebody with an id is not counted.
        """
        numbered = [entry for entry in namesakes if entry.student_id]
        unlinked = [entry for entry in namesakes if entry.key not in self.students]
        return [e for e in unlinked if e.student_id or not any(may_be_same_student(e, other) for other in numbered)]

    def student_keys_of(self, person_id: str) -> set[str]:
        """The keys of the students who a person is."""
        current = self.canonical_id(person_id)
        return {key for key, person in self.students.items() if person == current}


def may_be_same_student(a: RosterEntry, b: RosterEntry) -> bool:
    """Whether two students of one name may be one: nothing but an id tells them apart."""
    return a.birth_date is None or b.birth_date is None or a.birth_date == b.birth_date
