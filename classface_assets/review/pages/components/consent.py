"""What pages show of consent: a person's answer for each purpose, and whether a photo may be shown."""

from dataclasses import replace
from typing import Any

import polars as pl

from classface_assets.core.languages import gettext, marked, ngettext
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.exports.consent_report import refusal_source, withholding_names
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

PURPOSE_TITLES = {
    Purpose.ALBUM: marked("In albums"),
    Purpose.YEARBOOK: marked("In the yearbook"),
    Purpose.WEB: marked("On the web"),
}
_PURPOSES = {Purpose.ALBUM: marked("album"), Purpose.YEARBOOK: marked("yearbook"), Purpose.WEB: marked("web")}
_ANSWER_TEXTS = {True: marked("yes"), False: marked("no"), None: marked("not asked")}


def consent_status(view: ArchiveView, person: Person) -> dict[str, Any]:
    """What a person's page shows of their consent.

    Returns:
        `purposes`: each with its title and the answer, None where nobody was asked. `given`, `withdrawn`: whether all
        answers are yes, or no. `summary`: the answers as text, empty where there is none. `refusals`: one sentence for
        each refusal, with who refused and when. `doubt`: an unclear answer, which counts as no until it is cleared.
    """
    answers = {purpose: _answer_of(person, purpose) for purpose in Purpose}
    distinct = set(answers.values())
    each = ", ".join(f"{gettext(_PURPOSES[one])}: {gettext(_ANSWER_TEXTS[answer])}" for one, answer in answers.items())
    summary = gettext("consent %(answers)s", answers=each)
    if len(distinct) == 1:
        summary = {True: gettext("consent given"), False: gettext("consent withdrawn"), None: ""}[distinct.pop()]
    return {
        "purposes": [
            {"purpose": p.value, "title": gettext(PURPOSE_TITLES[p]), "answer": answer} for p, answer in answers.items()
        ],
        "given": all(answer is True for answer in answers.values()),
        "withdrawn": all(answer is False for answer in answers.values()),
        "summary": summary,
        "refusals": _refusal_lines(view, person),
        "doubt": person.consent_in_doubt,
    }


def photo_verdict_lines(view: ArchiveView, asset_id: str) -> list[dict[str, str]]:
    """For each purpose whether a photo may be shown, and if not why; one line for all purposes if they agree."""
    faces = view.faces.filter(pl.col("asset_id") == asset_id).select(CONSENT_FACES.names())
    rows = photo_verdicts(
        pl.Series([asset_id]), faces, collect_refusals(_decisions_about_photo(view.decisions, asset_id))
    )
    lines = [
        {"where": gettext(PURPOSE_TITLES[Purpose(row["purpose"])]), "verdict": _verdict_text(view.decisions, row)}
        for row in rows.iter_rows(named=True)
    ]
    if len({line["verdict"] for line in lines}) == 1:
        return [lines[0] | {"where": gettext("In albums, in the yearbook and on the web")}]
    return lines


def _answer_of(person: Person, purpose: Purpose) -> bool | None:
    return False if purpose in person.refused else person.consents.get(purpose)


def _refusal_lines(view: ArchiveView, person: Person) -> list[str]:
    """One sentence for each different refusal: for which purposes, by whom and when."""
    purposes_by_source: dict[str, list[str]] = {}
    for purpose in Purpose:
        if is_withheld(person, purpose):
            event = refusal_events(view.events, view.decisions, purpose).get(person.id)
            source = refusal_source(event, person)
            purposes_by_source.setdefault(source, []).append(gettext(_PURPOSES[purpose]))
    return [
        gettext("May not be shown (%(purposes)s): %(why)s.", purposes=", ".join(purposes), why=source)
        for source, purposes in purposes_by_source.items()
    ]


def _decisions_about_photo(decisions: Decisions, asset_id: str) -> Decisions:
    """The decisions with the labels and erased faces of one photo only, which are quicker to look through."""
    labels = {face_id: label for face_id, label in decisions.labels.items() if label.asset_id == asset_id}
    erased = {face_id: face for face_id, face in decisions.erased_faces.items() if face.asset_id == asset_id}
    return replace(decisions, labels=labels, erased_faces=erased)


def _verdict_text(decisions: Decisions, row: dict[str, Any]) -> str:
    if row["verdict"] == PhotoVerdict.WITHHELD:
        return gettext("withheld, because of %(names)s", names=withholding_names(row["withheld_persons"], decisions))
    if row["verdict"] == PhotoVerdict.REVIEW:
        faces = row["unknown_faces"]
        return ngettext("to review, with %(num)s unknown face", "to review, with %(num)s unknown faces", faces)
    return gettext("yes, everybody in it is known")
