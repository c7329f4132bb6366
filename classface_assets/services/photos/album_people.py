"""Who may be listed in the albums by the rosters: classes, students without a photo, and siblings."""

from collections.abc import Iterator, Set

import polars as pl

from classface_assets.albums.pages.classes import CLASS_MEMBERS, SIBLINGS, SchoolPeople
from classface_assets.core.names import normalized_name
from classface_assets.orchestration.resources import Archive
from classface_assets.store.consent.allowed_photos import load_refusals
from classface_assets.store.decisions.roster import roster_people
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.person_kinds import PersonKind
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry


def album_people(archive: Archive) -> SchoolPeople:
    """The classes and siblings of everybody who may be shown in albums, by the rosters and decisions up to now.

    Left out are people who refused, are hidden, erased or no students; and students whom nobody has seen, if the
    roster refuses for them, or for somebody who may be them.

    Raises:
        DatabaseError: Nothing is published yet.
        LedgerError: The ledger cannot be read.
    """
    ledger = archive.open_ledger()
    decisions = ledger.decisions()
    refused = load_refusals(archive.layout.database, ledger, decisions).of(Purpose.ALBUM)
    members = list(_members(decisions, refused))
    siblings = [
        (a, b)
        for person, others in decisions.siblings.items()
        for other in others
        if (a := decisions.canonical_id(person)) != (b := decisions.canonical_id(other))
        and _is_shown(decisions, a, refused)
        and _is_shown(decisions, b, refused)
    ]
    return SchoolPeople(
        pl.DataFrame(members, schema=CLASS_MEMBERS, orient="row").unique().sort(pl.all()),
        pl.DataFrame(siblings, schema=SIBLINGS, orient="row").unique().sort(pl.all()),
    )


def _members(decisions: Decisions, refused: Set[str]) -> Iterator[tuple[str, str, str | None, str]]:
    doubtful = {normalized_name(entry.name) for entry in decisions.roster if _refuses(entry)}
    for entry, person, name in roster_people(decisions):
        is_shown = (
            normalized_name(entry.name) not in doubtful if person is None else _is_shown(decisions, person.id, refused)
        )
        if is_shown:
            for year, class_name in entry.classes.items():
                if class_name:
                    yield year, class_name, person.id if person else None, name


def _refuses(entry: RosterEntry) -> bool:
    answer = entry.consents.get(Purpose.ALBUM, entry.consent)
    return answer is False or bool(entry.consent_in_doubt)


def _is_shown(decisions: Decisions, person_id: str, refused: Set[str]) -> bool:
    person = decisions.persons.get(person_id)
    return (
        person is not None
        and not person.erased
        and person_id not in refused
        and person.kind in (PersonKind.STUDENT, PersonKind.STAFF)
    )
