"""What `classface consent report` tells: which photos may be shown for a purpose, because of whom not, who said so."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from classface_assets.store.consent.allowed_photos import load_allowed_photos
from classface_assets.store.consent.photos import PhotoVerdict
from classface_assets.store.consent.refusal_sources import refusal_events, unclear_answer_in
from classface_assets.store.decisions.history import ERASED_PERSON
from classface_assets.store.decisions.replay import replay
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.events import Event
from classface_assets.store.model.purposes import Purpose

SHOWN_FOR_REVIEW = 20
REPORT_COLUMNS = ("purpose", "school_year", "path", "verdict", "withheld_because_of", "unknown_faces")


@dataclass(frozen=True)
class ConsentReport:
    """`photos`: COLUMNS, one row a photo, by path. `refused`: (name, who said so and when) of everybody who may not be
    shown. `doubts`: (name, the answer that nobody understood). `not_asked`: names of those in photos of whom nobody
    said anything for the purpose."""

    purpose: Purpose
    photos: pl.DataFrame
    refused: Sequence[tuple[str, str]]
    doubts: Sequence[tuple[str, str]]
    not_asked: Sequence[str]


def consent_report(database: Path, ledger: Ledger, purpose: Purpose) -> ConsentReport:
    """As it stands now. Raises DatabaseError, LedgerError."""
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
    words = refusal_events(events, decisions, purpose)
    seen = set(query_database(database, "SELECT DISTINCT person_id FROM face_instances")["person_id"].drop_nulls())
    people = sorted(decisions.persons.values(), key=lambda person: person.name.casefold())
    return ConsentReport(
        purpose,
        photos.select(REPORT_COLUMNS),
        [(_display_name(person), refusal_source(words[person.id], person)) for person in people if person.id in words],
        [
            (_display_name(person), person.consent_in_doubt)
            for person in people
            if person.id in words and person.consent_in_doubt
        ],
        [_display_name(person) for person in people if person.id in seen and _not_asked(person, purpose)],
    )


def report_lines(report: ConsentReport) -> Iterator[str]:
    """The report in lines. Photos that are withheld are all told; of those to review, the first."""
    verdicts = {v: report.photos.filter(pl.col("verdict") == v.value) for v in PhotoVerdict}
    counts = ", ".join(f"{rows.height:,} {_VERDICT_LABELS[verdict]}" for verdict, rows in verdicts.items())
    yield f"{report.purpose.capitalize()}: {counts}"
    withheld, review = verdicts[PhotoVerdict.WITHHELD], verdicts[PhotoVerdict.REVIEW]
    if withheld.height:
        yield "\nPhotos withheld, and because of whom:"
    for path, who in withheld.select("path", "withheld_because_of").iter_rows():
        yield f"  {path}\t{who}"
    if review.height:
        yield "\nPhotos to review, with faces of nobody known:"
    for path, faces in review.head(SHOWN_FOR_REVIEW).select("path", "unknown_faces").iter_rows():
        yield f"  {path}\t{faces} unknown {'face' if faces == 1 else 'faces'}"
    if review.height > SHOWN_FOR_REVIEW:
        yield f"  … and {review.height - SHOWN_FOR_REVIEW:,} more; --csv FILE lists them all"
    if report.refused:
        yield "\nPeople who may not be shown:"
    for name, said in report.refused:
        yield f"  {name}\t{said}"
    if report.doubts:
        yield "\nAnswers that could not be understood, which count as a no until somebody clears them:"
    for name, answer in report.doubts:
        yield f'  {name}\t{answer!r}; to clear it: classface consent "{name}" given (or withdrawn)'
    if report.not_asked:
        yield f"\nNot asked, and shown: {len(report.not_asked):,}: {', '.join(report.not_asked)}"


def write_report(file: Path, reports: Sequence[ConsentReport]) -> None:
    """One row a photo and purpose, as spreadsheets read it. Raises OSError."""
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
    """The names of those because of whom a photo is withheld; of somebody who was erased none is told."""
    known = (decisions.persons.get(decisions.canonical_id(p)) for p in people)
    return (
        ", ".join(
            sorted({_display_name(person) if person and not person.erased else ERASED_PERSON for person in known})
        )
        or ERASED_PERSON
    )


def _display_name(person: Person) -> str:
    """The name, which tells the person apart from others of the same name."""
    return person.display_name or person.name


def refusal_source(event: Event | None, person: Person) -> str:
    """By which word a person may not be shown (see `refused_by`), as a part of a sentence."""
    if event is None:
        return "by what the ledger no longer tells"
    by = f"by {event.actor} on {event.at.astimezone():%Y-%m-%d} (event {event.id})"
    if event.kind == "roster_imported":
        doubt = unclear_answer_in(event, person)
        answer = f"its answer {doubt!r} could not be understood" if doubt else "it says no"
        return f"the roster {event.payload.get('source', '')}: {answer}; imported {by}"
    return f"hidden {by}" if event.kind == "person_hidden" else f"consent withdrawn {by}"


def _not_asked(person: Person, purpose: Purpose) -> bool:
    nothing = person.consents.get(purpose) is None and purpose not in person.refused
    return nothing and person.status == "active" and person.kind in ("student", "staff")
