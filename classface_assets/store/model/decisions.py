"""What people have said, as it stands after some event: persons, and what was said of faces and photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from classface_assets.core.geometry import Box
from classface_assets.core.names import normalize_name, normalized_name
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.same_shots import SameShots

Portrait = tuple[str, str]
"""The person to whom it was given, and the id of the face in it."""

NOT_A_FACE = "Not a face"
"""The name of the one person to whom everything belongs that is no face at all."""

PERSON_KINDS = ("student", "staff", "not a student", "not a face")
LABEL_METHODS = ("cluster", "hand", "import", "confirmed")


@dataclass(frozen=True)
class Person:
    """`status`: active, merged or hidden. An erased person is hidden for good.

    What was said of a merged person is said of whom they became. `consents`: purpose (`consent.Purpose`) → the answer,
    absent where nobody said. `refused`: the purposes for which nobody may see them, whoever said so and whatever was
    said yes to. `consent_in_doubt`: the answer, as a roster wrote it, that counts as a refusal until somebody clears it
    by hand. `consent`: the answer for albums. `student_id`: the school's id of the student on its roster who they are.
    `display_name`: the name, with class and year of birth where others have the same.
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
    student_id: str = ""
    display_name: str = ""


@dataclass(frozen=True)
class FaceLabel:
    """What was said of a face and a person, by which event, and where the face lies.

    `how` a label came about: cluster, hand, import or confirmed; empty where it was not kept.
    """

    person_id: str
    asset_id: str
    box: Box
    event_id: int = 0
    how: str = ""


@dataclass(frozen=True)
class FaceLink:
    """Two faces said to be of one person (`same`) or of two."""

    a: FaceRef
    b: FaceRef
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
    `same_shots`: which photos show one shot. `drawn`, `barred` and `photo_marks` hold for all photos of a shot already;
    for marks, rejections and links `carry` sees to it.
    `portraits`: person → the portraits that they, and those who were merged into them, are enrolled with. `students`:
    `RosterEntry.key` → who that student is, also of one whom no roster has at present. `student_names`: the same key →
    the name that tells a student apart, for those who are nobody yet and have a name that others have too.
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
    same_shots: SameShots = field(default_factory=SameShots)
    students: dict[str, str] = field(default_factory=dict)
    student_names: dict[str, str] = field(default_factory=dict)

    def canonical_id(self, person_id: str) -> str:
        """The person that this one is now, after all merges."""
        while (person := self.persons.get(person_id)) is not None and person.merged_into_id is not None:
            person_id = person.merged_into_id
        return person_id

    def find_person(self, name: str) -> Person | None:
        """The one person of that name (`called`); None also where it may be one of several."""
        called = self.people_named(name)
        return called[0] if called and (len(called) == 1 or called[0].status == "merged") else None

    def named(self, name: str) -> Person | None:
        """The person of that name, or whom the person of that name was merged into."""
        person = self.find_person(name)
        return person and self.persons[self.canonical_id(person.id)]

    def people_named(self, name: str) -> list[Person]:
        """Everybody of that name or display name, whatever the case and the spaces around it; who was merged only if
        nobody else."""
        wanted = normalize_name(name)
        there = [p for p in self.persons.values() if not p.erased]
        shown = [p for p in there if p.display_name != p.name and normalized_name(p.display_name) == wanted]
        called = shown or [p for p in there if normalized_name(p.name) == wanted]
        return [p for p in called if p.status != "merged"] or called

    def unlinked_students_named(self, name: str) -> list[RosterEntry]:
        """The students on the rosters of that name or display name who are nobody yet."""
        wanted = normalize_name(name)
        shown = [entry for entry in self.roster if normalized_name(self.student_names.get(entry.key, "")) == wanted]
        return shown or self.without_person([entry for entry in self.roster if normalized_name(entry.name) == wanted])

    def without_person(self, namesakes: Sequence[RosterEntry]) -> list[RosterEntry]:
        """Of all students of one name those who are no person; a row without an id that may be one who has an id is
        not counted."""
        numbered = [entry for entry in namesakes if entry.student_id]
        free = [entry for entry in namesakes if entry.key not in self.students]
        return [e for e in free if e.student_id or not any(may_be_same_student(e, other) for other in numbered)]

    def student_keys_of(self, person_id: str) -> set[str]:
        """The students whom a person is."""
        return {key for key, whose in self.students.items() if whose == self.canonical_id(person_id)}


def may_be_same_student(a: RosterEntry, b: RosterEntry) -> bool:
    """Whether two students of one name may be one: nothing but an id tells them apart."""
    return a.birth_date is None or b.birth_date is None or a.birth_date == b.birth_date
