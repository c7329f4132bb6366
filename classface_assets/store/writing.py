"""One act on the ledger, while its transaction is open: what it reads, whom it means, what it appends and tells."""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from classface_assets.errors import UserError
from classface_assets.store.decisions import Decisions, LabelledFace, Person, fold
from classface_assets.store.events import LINK_KINDS, PEOPLE_KINDS, PHOTO_KINDS
from classface_assets.store.ledger_table import append_event, events_about, read_events
from classface_assets.store.replay import replay

LONGEST_NAME = 255


class LedgerError(UserError):
    """A decision that cannot be taken, or a ledger that cannot be opened."""


class UnknownError(LedgerError):
    """Nobody has that name or id, or there is no such event."""


class ConflictError(LedgerError):
    """What is asked for contradicts what is: a name that exists, a merge into oneself."""


@dataclass(frozen=True)
class Act:
    """What an act did: the events it appended, whom it was about (None: nobody in particular), how many faces changed,
    and sentences on what it overrules or what looks odd."""

    events: tuple[int, ...]
    subject: Person | None
    faces: int = 0
    notes: tuple[str, ...] = ()

    @property
    def person(self) -> Person:
        """Whom it was about, as they are now."""
        assert self.subject is not None, "this act is about nobody in particular"
        return self.subject


class Writing:
    """The open transaction of one act by one actor. Nothing of it is kept when the act raises."""

    def __init__(self, con: sa.Connection, actor: str) -> None:
        self.con = con
        self.actor = actor
        self.appended: list[int] = []
        self.notes: list[str] = []
        self._people: tuple[int, Decisions] | None = None

    def append(self, kind: str, **payload: Any) -> None:
        self.appended.append(append_event(self.con, kind, payload, self.actor))

    def people(self) -> Decisions:
        """Who is who, with what this act appended; nothing of faces."""
        if self._people is None or self._people[0] != len(self.appended):
            self._people = (len(self.appended), replay(read_events(self.con, PEOPLE_KINDS)))
        return self._people[1]

    def around(self, photos: Collection[str]) -> Decisions:
        """Who is who, every link, and all that was said of these photos and their faces."""
        kinds = (*PEOPLE_KINDS, *PHOTO_KINDS, *LINK_KINDS)
        return replay(read_events(self.con, kinds, events_about(self.con, photos)))

    def person(self, who: str) -> Person:
        """The person of that id or name, or whom they were merged into. Raises UnknownError."""
        found = self.record(who)
        people = self.people()
        return people.persons[people.became(found.id)]

    def record(self, who: str) -> Person:
        """The person of that id or name, be they merged or not. Raises UnknownError."""
        people = self.people()
        found = people.persons.get(who) or people.record(who)
        if found is None or found.erased:
            raise UnknownError(f"Nobody is called {who!r}; `classface people` lists the names.")
        return found

    def free(self, name: str, person_id: str = "") -> str:
        """The cleaned name, which nobody else has; who was merged into the person does not count.

        Raises ConflictError, or LedgerError for what cannot be a name.
        """
        name = clean(name)
        other = self.people().record(name)
        if other is not None and self.people().became(other.id) != person_id:
            raise ConflictError(f"There is already a person called {other.name!r}; choose another name.")
        return name

    def done(self, person_id: str | None, faces: int = 0) -> Act:
        person = None if person_id is None else self.people().persons[person_id]
        return Act(tuple(self.appended), person, faces, tuple(self.notes))


def clean(name: str) -> str:
    """A name without stray white space. Raises LedgerError when nothing, too much, or what no page can show is left."""
    cleaned = " ".join(name.split())
    if not fold(cleaned):
        raise LedgerError("A name is needed: an empty one was given.")
    if len(cleaned) > LONGEST_NAME:
        raise LedgerError(f"A name has at most {LONGEST_NAME} characters; this one has {len(cleaned)}.")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned):
        raise LedgerError(f"The name {cleaned!r} has characters that cannot be shown; leave them out.")
    return cleaned


def distinct(faces: Sequence[LabelledFace], least: int = 1) -> list[LabelledFace]:
    """The faces, each once. Raises LedgerError when they are fewer than `least`."""
    once = list({face.face_id: face for face in faces}.values())
    if len(once) < least:
        needed = "A face is needed" if least == 1 else f"At least {least} different faces are needed"
        raise LedgerError(f"{needed}: {'none was' if not once else f'only {len(once)} was'} given.")
    return once


def counted(count: int, one: str, more: str = "") -> str:
    """`1 face`, `2,000 faces`."""
    return f"1 {one}" if count == 1 else f"{count:,} {more or one + 's'}"
