"""What pages show of consent: what a person said for each purpose, and whether a photo may be shown."""

from dataclasses import replace
from typing import Any

import polars as pl

from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.consent_report import refusal_source, withholding_names
from classface_assets.store.consent.photos import (
    CONSENT_FACES,
    PhotoVerdict,
    collect_refusals,
    is_withheld,
    photo_verdicts,
)
from classface_assets.store.consent.refusal_sources import refusal_events
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.purposes import Purpose

PURPOSE_TITLES = {Purpose.ALBUM: "In albums", Purpose.YEARBOOK: "In the yearbook", Purpose.WEB: "On the web"}
_ANSWER_TEXTS = {True: "yes", False: "no", None: "not asked"}


def consent_status(view: ArchiveView, person: Person) -> dict[str, Any]:
    """`purposes`: each with title and answer, None where nobody was asked. `given`, `withdrawn`: the same answer for
    all. `told`: the answers in words, empty where there is none. `said`: who refused, when. `doubt`: an answer that
    counts as a no until it is cleared."""
    answers = {purpose: _answer_of(person, purpose) for purpose in Purpose}
    different = set(answers.values())
    told = "consent " + ", ".join(f"{purpose}: {_ANSWER_TEXTS[answer]}" for purpose, answer in answers.items())
    if len(different) == 1:
        told = {True: "consent given", False: "consent withdrawn", None: ""}[different.pop()]
    return {
        "purposes": [
            {"purpose": p.value, "title": PURPOSE_TITLES[p], "answer": answer} for p, answer in answers.items()
        ],
        "given": all(answer is True for answer in answers.values()),
        "withdrawn": all(answer is False for answer in answers.values()),
        "told": told,
        "said": _refusal_lines(view, person),
        "doubt": person.consent_in_doubt,
    }


def photo_verdict_lines(view: ArchiveView, asset_id: str) -> list[dict[str, str]]:
    """For each purpose whether the photo may be shown, and why not; one line for all where they agree."""
    faces = view.faces.filter(pl.col("asset_id") == asset_id).select(CONSENT_FACES.names())
    rows = photo_verdicts(
        pl.Series([asset_id]), faces, collect_refusals(_decisions_about_photo(view.decisions, asset_id))
    )
    lines = [
        {"where": PURPOSE_TITLES[Purpose(row["purpose"])], "told": _verdict_text(view.decisions, row)}
        for row in rows.iter_rows(named=True)
    ]
    if len({line["told"] for line in lines}) == 1:
        return [lines[0] | {"where": "In albums, in the yearbook and on the web"}]
    return lines


def _answer_of(person: Person, purpose: Purpose) -> bool | None:
    return False if purpose in person.refused else person.consents.get(purpose)


def _refusal_lines(view: ArchiveView, person: Person) -> list[str]:
    """Who refused, by which word of the ledger: one line for each that differs."""
    told: dict[str, list[str]] = {}
    for purpose in Purpose:
        if is_withheld(person, purpose):
            event = refusal_events(view.events, view.decisions, purpose).get(person.id)
            told.setdefault(refusal_source(event, person), []).append(purpose.value)
    return [f"May not be shown ({', '.join(purposes)}): {said}." for said, purposes in told.items()]


def _decisions_about_photo(decisions: Decisions, asset_id: str) -> Decisions:
    """With no more marks and barred faces than those of one photo."""
    marks = {f: mark for f, mark in decisions.labels.items() if mark.asset_id == asset_id}
    barred = {f: face for f, face in decisions.erased_faces.items() if face.asset_id == asset_id}
    return replace(decisions, labels=marks, erased_faces=barred)


def _verdict_text(decisions: Decisions, row: dict[str, Any]) -> str:
    if row["verdict"] == PhotoVerdict.WITHHELD:
        return f"withheld, because of {withholding_names(row['withheld_persons'], decisions)}"
    if row["verdict"] == PhotoVerdict.REVIEW:
        faces = row["unknown_faces"]
        return f"to review, with {faces} unknown {'face' if faces == 1 else 'faces'}"
    return "yes, everybody in it is known"
