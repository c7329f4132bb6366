"""Refusals and erasures count at once, also where a publication goes by an earlier state of the ledger.

Names and corrections that are made while a run goes on wait for the next run. That somebody may not be shown does not.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

import polars as pl

from classface_assets.core.schemas import PersonStatus
from classface_assets.store.decisions.exclusions import erased_ids_in
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.purposes import Purpose


def apply_newer_refusals(then: Decisions, now: Decisions) -> Decisions:
    """Earlier decisions with the refusals and erasures of now.

    Args:
        then: The decisions that a run went by.
        now: The decisions of the whole ledger.

    Returns:
        `then` with every person as withheld as they, or anybody who was merged with them then, are now; and without
        labels and portraits of faces and people that are erased by now.
    """
    one_person: dict[str, list[Person]] = {}
    for person_id in then.persons:
        as_now = now.persons.get(now.canonical_id(person_id))
        if as_now is not None:
            one_person.setdefault(then.canonical_id(person_id), []).append(as_now)
    persons = {p: _most_restrictive(who, one_person.get(then.canonical_id(p), ())) for p, who in then.persons.items()}
    erased_faces = then.erased_faces | now.erased_faces
    erased = {p for p, who in persons.items() if who.erased}
    return replace(
        then,
        persons=persons,
        erased_faces=erased_faces,
        labels={
            face: label
            for face, label in then.labels.items()
            if face not in erased_faces and label.person_id not in erased
        },
        portraits={p: given for p, given in then.portraits.items() if p not in erased},
    )


def drop_erased_faces(faces: pl.DataFrame, assignments: pl.DataFrame, decisions: Decisions) -> pl.DataFrame:
    """The faces that are neither erased nor assigned to a person who is."""
    if not faces.height:
        return faces
    erased = [p for p, who in decisions.persons.items() if who.erased]
    theirs: Collection[str] = assignments.filter(pl.col("person_id").is_in(erased))["face_id"].to_list()
    gone = {*theirs, *erased_ids_in(faces, decisions.erased_faces)}
    return faces.filter(~pl.col("face_id").is_in(list(gone))) if gone else faces


def _most_restrictive(who: Person, others: Iterable[Person]) -> Person:
    """The person with every refusal, doubt and erasure of the others."""
    for other in others:
        if other.refused - who.refused:
            refused = who.refused | other.refused
            consents = {**who.consents, **dict.fromkeys(refused, False)}
            consent = False if Purpose.ALBUM in refused else who.consent
            who = replace(who, consent=consent, consents=consents, refused=refused)
        if other.consent_in_doubt and not who.consent_in_doubt:
            who = replace(who, consent_in_doubt=other.consent_in_doubt)
        if other.erased:
            who = replace(who, erased=True)
        if other.status == PersonStatus.HIDDEN and who.status == PersonStatus.ACTIVE:
            who = replace(who, status=PersonStatus.HIDDEN)
    return who
