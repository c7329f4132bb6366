"""What is published by the ledger as it stood, but for newer refusals and erasures: these count at once.

Names and corrections that came while a run went wait for the next run. That somebody may not be shown does not wait.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

import polars as pl

from classface_assets.store.decisions.exclusions import erased_ids_in
from classface_assets.store.model.decisions import Decisions, Person
from classface_assets.store.model.purposes import Purpose


def apply_newer_refusals(then: Decisions, now: Decisions) -> Decisions:
    """The decisions as they stood `then`, with every person as withheld as they, or anybody who was one with them then,
    are `now`; and without what was said of faces and people that are erased by now."""
    one_person: dict[str, list[Person]] = {}
    for person_id in then.persons:
        as_now = now.persons.get(now.canonical_id(person_id))
        if as_now is not None:
            one_person.setdefault(then.canonical_id(person_id), []).append(as_now)
    persons = {p: _most_restrictive(who, one_person.get(then.canonical_id(p), ())) for p, who in then.persons.items()}
    barred = then.erased_faces | now.erased_faces
    erased = {p for p, who in persons.items() if who.erased}
    return replace(
        then,
        persons=persons,
        erased_faces=barred,
        labels={f: mark for f, mark in then.labels.items() if f not in barred and mark.person_id not in erased},
        portraits={p: given for p, given in then.portraits.items() if p not in erased},
    )


def drop_erased_faces(faces: pl.DataFrame, assignments: pl.DataFrame, decisions: Decisions) -> pl.DataFrame:
    """The faces that are neither barred nor given to somebody who is erased."""
    if not faces.height:
        return faces
    erased = [p for p, who in decisions.persons.items() if who.erased]
    theirs: Collection[str] = assignments.filter(pl.col("person_id").is_in(erased))["face_id"].to_list()
    gone = {*theirs, *erased_ids_in(faces, decisions.erased_faces)}
    return faces.filter(~pl.col("face_id").is_in(list(gone))) if gone else faces


def _most_restrictive(who: Person, others: Iterable[Person]) -> Person:
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
        if other.status == "hidden" and who.status == "active":
            who = replace(who, status="hidden")
    return who
