"""What pages show of consent: what a person said for each purpose, and whether a photo may be shown."""

from dataclasses import replace
from typing import Any

import polars as pl

from classface_assets.services.archive_view.model import View
from classface_assets.services.consent_report import because_of, who_refused
from classface_assets.store.consent.photos import FACES, PhotoVerdict, may_not_be_shown, photo_verdicts, refusals_of
from classface_assets.store.consent.refusal_sources import refused_by
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.purposes import Purpose

TITLES = {Purpose.ALBUM: "In albums", Purpose.YEARBOOK: "In the yearbook", Purpose.WEB: "On the web"}
_ANSWERS = {True: "yes", False: "no", None: "not asked"}


def consent_of(view: View, person: Person) -> dict[str, Any]:
    """`purposes`: each with title and answer, None where nobody was asked. `given`, `withdrawn`: the same answer for
    all. `told`: the answers in words, empty where there is none. `said`: who refused, when. `doubt`: an answer that
    counts as a no until it is cleared."""
    answers = {purpose: _answer(person, purpose) for purpose in Purpose}
    different = set(answers.values())
    told = "consent " + ", ".join(f"{purpose}: {_ANSWERS[answer]}" for purpose, answer in answers.items())
    if len(different) == 1:
        told = {True: "consent given", False: "consent withdrawn", None: ""}[different.pop()]
    return {
        "purposes": [{"purpose": p.value, "title": TITLES[p], "answer": answer} for p, answer in answers.items()],
        "given": all(answer is True for answer in answers.values()),
        "withdrawn": all(answer is False for answer in answers.values()),
        "told": told,
        "said": _said(view, person),
        "doubt": person.consent_in_doubt,
    }


def verdicts_of_photo(view: View, asset_id: str) -> list[dict[str, str]]:
    """For each purpose whether the photo may be shown, and why not; one line for all where they agree."""
    faces = view.faces.filter(pl.col("asset_id") == asset_id).select(FACES.names())
    rows = photo_verdicts(pl.Series([asset_id]), faces, refusals_of(_about(view.decisions, asset_id)))
    lines = [
        {"where": TITLES[Purpose(row["purpose"])], "told": _told(view.decisions, row)}
        for row in rows.iter_rows(named=True)
    ]
    if len({line["told"] for line in lines}) == 1:
        return [lines[0] | {"where": "In albums, in the yearbook and on the web"}]
    return lines


def _answer(person: Person, purpose: Purpose) -> bool | None:
    return False if purpose in person.refused else person.consents.get(purpose)


def _said(view: View, person: Person) -> list[str]:
    """Who refused, by which word of the ledger: one line for each that differs."""
    told: dict[str, list[str]] = {}
    for purpose in Purpose:
        if may_not_be_shown(person, purpose):
            event = refused_by(view.events, view.decisions, purpose).get(person.id)
            told.setdefault(who_refused(event, person), []).append(purpose.value)
    return [f"May not be shown ({', '.join(purposes)}): {said}." for said, purposes in told.items()]


def _about(decisions: Decisions, asset_id: str) -> Decisions:
    """With no more marks and barred faces than those of one photo."""
    marks = {f: mark for f, mark in decisions.marks.items() if mark.asset_id == asset_id}
    barred = {f: face for f, face in decisions.barred.items() if face.asset_id == asset_id}
    return replace(decisions, marks=marks, barred=barred)


def _told(decisions: Decisions, row: dict[str, Any]) -> str:
    if row["verdict"] == PhotoVerdict.WITHHELD:
        return f"withheld, because of {because_of(row['withheld_persons'], decisions)}"
    if row["verdict"] == PhotoVerdict.REVIEW:
        faces = row["unknown_faces"]
        return f"to review, with {faces} unknown {'face' if faces == 1 else 'faces'}"
    return "yes, everybody in it is known"
