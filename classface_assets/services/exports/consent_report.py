"""The consent report: which photos may be shown for a purpose, and who refused, by which decision.

`classface consent report` prints it, and writes it as a CSV file.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from classface_assets.core.languages import format_short_date, gettext
from classface_assets.store.consent.allowed_photos import load_allowed_photos
from classface_assets.store.consent.photos import PhotoVerdict
from classface_assets.store.consent.refusal_sources import refusal_events, unclear_answer_in
from classface_assets.store.decisions.history import ERASED_PERSON
from classface_assets.store.decisions.replay import replay
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.events import Event
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.published.queries import people_with_faces

SHOWN_FOR_REVIEW = 20
REPORT_COLUMNS = ("purpose", "school_year", "path", "verdict", "withheld_because_of", "unknown_faces")


@dataclass(frozen=True)
class ConsentReport:
    """Consent for one purpose.

    Attributes:
        purpose: What photos would be shown for.
        photos: REPORT_COLUMNS, one row per photo, by path.
        refused: (name, by which decision) of everybody who may not be shown.
        unclear: (name, answer) of everybody whose answer could not be understood.
        unanswered: Names of people in photos without an answer for this purpose.
    """

    purpose: Purpose
    photos: pl.DataFrame
    refused: Sequence[tuple[str, str]]
    unclear: Sequence[tuple[str, str]]
    unanswered: Sequence[str]


def consent_report(database: Path, ledger: Ledger, purpose: Purpose) -> ConsentReport:
    """The report by what is published and the decisions up to now.

    Raises:
        DatabaseError: Nothing is published yet.
        LedgerError: The ledger cannot be read.
    """
    events = ledger.events()
    decisions = replay(events)
    photos = load_allowed_photos(database, ledger, purpose).photos.drop_nulls("verdict")
    names = [
        withholding_names(people, decisions) if verdict == PhotoVerdict.WITHHELD else ""
        for people, verdict in photos.select("withheld_persons", "verdict").iter_rows()
    ]
    photos = photos.with_columns(
        pl.lit(purpose.value).alias("purpose"), pl.Series("withheld_because_of", names, pl.String)
    )
    refusals = refusal_events(events, decisions, purpose)
    in_photos = set(people_with_faces(database)["person_id"])
    people = sorted(decisions.persons.values(), key=lambda person: person.name.casefold())
    refused = [person for person in people if person.id in refusals]
    unanswered = [person for person in people if person.id in in_photos and _has_no_answer(person, purpose)]
    return ConsentReport(
        purpose,
        photos.select(REPORT_COLUMNS),
        refused=[(_display_name(person), refusal_source(refusals[person.id], person)) for person in refused],
        unclear=[(_display_name(person), person.consent_in_doubt) for person in refused if person.consent_in_doubt],
        unanswered=[_display_name(person) for person in unanswered],
    )


def report_lines(report: ConsentReport) -> Iterator[str]:
    """The report as lines of text: all photos that are withheld, and the first of those to be reviewed."""
    yield from _photo_lines(report)
    if report.refused:
        yield "\nPeople who may not be shown:"
    for name, decision in report.refused:
        yield f"  {name}\t{decision}"
    if report.unclear:
        yield "\nAnswers that could not be understood, which count as a no until somebody clears them:"
    for name, answer in report.unclear:
        yield f'  {name}\t{answer!r}; to clear it: classface consent "{name}" given (or withdrawn)'
    if report.unanswered:
        yield f"\nNot asked, and shown: {len(report.unanswered):,}: {', '.join(report.unanswered)}"


def _photo_lines(report: ConsentReport) -> Iterator[str]:
    verdicts = {v: report.photos.filter(pl.col("verdict") == v.value) for v in PhotoVerdict}
    counts = ", ".join(f"{rows.height:,} {_VERDICT_LABELS[verdict]}" for verdict, rows in verdicts.items())
    yield f"{report.purpose.capitalize()}: {counts}"
    withheld, review = verdicts[PhotoVerdict.WITHHELD], verdicts[PhotoVerdict.REVIEW]
    if withheld.height:
        yield "\nPhotos withheld, with the people who refused:"
    for path, who in withheld.select("path", "withheld_because_of").iter_rows():
        yield f"  {path}\t{who}"
    if review.height:
        yield "\nPhotos to review, with unknown faces:"
    for path, faces in review.head(SHOWN_FOR_REVIEW).select("path", "unknown_faces").iter_rows():
        yield f"  {path}\t{faces} unknown {'face' if faces == 1 else 'faces'}"
    if review.height > SHOWN_FOR_REVIEW:
        yield f"  … and {review.height - SHOWN_FOR_REVIEW:,} more; --csv FILE lists them all"


def write_report(file: Path, reports: Sequence[ConsentReport]) -> None:
    """Write one row per photo and purpose to a CSV file, as spreadsheets read it.

    Raises:
        OSError: It cannot be written.
    """
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(REPORT_COLUMNS)
        for report in reports:
            rows.writerows(report.photos.iter_rows())


_VERDICT_LABELS = {
    PhotoVerdict.SAFE: "safe",
    PhotoVerdict.REVIEW: "to review",
    PhotoVerdict.WITHHELD: "withheld",
}


def withholding_names(people: Sequence[str], decisions: Decisions) -> str:
    """The names of the people (ids) who refused, so that a photo is withheld; without those of erased people."""
    found = (decisions.persons.get(decisions.canonical_id(person_id)) for person_id in people)
    names = {_display_name(person) if person and not person.erased else gettext(ERASED_PERSON) for person in found}
    return ", ".join(sorted(names)) or gettext(ERASED_PERSON)


def _display_name(person: Person) -> str:
    """The name, with what distinguishes the person from others of the same name."""
    return person.display_name or person.name


def refusal_source(event: Event | None, person: Person) -> str:
    """Which decision refused consent (see `refusal_events`), as a part of a sentence."""
    if event is None:
        return gettext("by a decision that is no longer in the ledger")
    day = format_short_date(event.at.astimezone().date())
    by = gettext("by %(who)s on %(day)s (event %(number)s)", who=event.actor, day=day, number=event.id)
    if event.kind == "roster_imported":
        doubt = unclear_answer_in(event, person)
        answer = gettext("it says no")
        if doubt:
            answer = gettext("its answer %(answer)s could not be understood", answer=repr(doubt))
        source = event.payload.get("source", "")
        return gettext("the roster %(file)s: %(answer)s; imported %(by)s", file=source, answer=answer, by=by)
    if event.kind == "person_hidden":
        return gettext("hidden %(by)s", by=by)
    return gettext("consent withdrawn %(by)s", by=by)


def _has_no_answer(person: Person, purpose: Purpose) -> bool:
    """Whether consent for the purpose was neither given nor refused, for somebody who needs to be asked."""
    no_answer = person.consents.get(purpose) is None and purpose not in person.refused
    return no_answer and person.status == PersonStatus.ACTIVE and person.kind in (PersonKind.STUDENT, PersonKind.STAFF)
