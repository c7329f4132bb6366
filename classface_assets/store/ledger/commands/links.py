"""Commands about links: which faces are of one person and which are not, without naming the person.

The notes of a result say which earlier constraints it overrules.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from classface_assets.core.languages import gettext
from classface_assets.core.names import pluralize
from classface_assets.store.decisions.links import PairConstraint, resolve_conflicts
from classface_assets.store.ledger.payloads import CannotLinked, ClusterSplit, EventPayload, MustLinked, face_payloads
from classface_assets.store.ledger.transaction import (
    CommandResult,
    ConflictError,
    LedgerError,
    LedgerTransaction,
    distinct_faces,
)
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.face_ref import FaceRef

MAX_CANNOT_LINK_FACES = 100
"""The pairs grow with the square of the faces."""
_EVENTS_SHOWN = 5


def must_link(tx: LedgerTransaction, faces: Sequence[FaceRef]) -> CommandResult:
    """Record that faces are of one person.

    Raises:
        ConflictError: They are labelled as several people.
    """
    faces = distinct_faces(faces, 2)
    before = _decisions_of_linked_faces(tx, faces)
    people = {before.labels[f.face_id].person_id for f in faces if f.face_id in before.labels}
    if len(people) > 1:
        names = gettext(" and ").join(sorted(before.persons[p].name for p in people))
        raise ConflictError(
            gettext("These faces are labelled as %(names)s; remove the wrong label, or merge the people.", names=names)
        )
    return _append_constraint(tx, before, len(faces), MustLinked(faces=face_payloads(faces)))


def cannot_link(tx: LedgerTransaction, faces: Sequence[FaceRef]) -> CommandResult:
    """Record that no two of these faces are of one person.

    Raises:
        ConflictError: Two of them are labelled as the same person.
    """
    faces = distinct_faces(faces, 2)
    if len(faces) > MAX_CANNOT_LINK_FACES:
        raise LedgerError(
            gettext(
                "At most %(number)s faces can be marked as different people at once; choose fewer.",
                number=MAX_CANNOT_LINK_FACES,
            )
        )
    before = _decisions_of_linked_faces(tx, faces)
    people = [before.labels[f.face_id].person_id for f in faces if f.face_id in before.labels]
    twice = next((a for a, b in combinations(people, 2) if a == b), None)
    if twice is not None:
        name = before.persons[twice].name
        raise ConflictError(
            gettext("Two of these faces are labelled as %(name)s; remove the wrong label first.", name=name)
        )
    return _append_constraint(tx, before, len(faces), CannotLinked(faces=face_payloads(faces)))


def split_cluster(tx: LedgerTransaction, cluster_id: str, groups: Sequence[Sequence[FaceRef]]) -> CommandResult:
    """Record that the faces of a cluster are as many people as there are groups, each group one of them."""
    parts = [distinct_faces(group) for group in groups]
    ids = [face.face_id for part in parts for face in part]
    if len(parts) < 2:
        raise LedgerError(gettext("A cluster is split into at least two groups of faces; only one was given."))
    if len(set(ids)) < len(ids):
        raise LedgerError(gettext("A face is in two groups of the split; put it into one."))
    before = _decisions_of_linked_faces(tx, [face for part in parts for face in part])
    payload = ClusterSplit(cluster_id=cluster_id, groups=[face_payloads(part) for part in parts])
    return _append_constraint(tx, before, len(ids), payload)


def _decisions_of_linked_faces(tx: LedgerTransaction, faces: Sequence[FaceRef]) -> Decisions:
    """The decisions about these faces, and about all that are linked with them, directly or by way of others."""
    linked: dict[str, list[FaceRef]] = {}
    for link in tx.decisions_for_photos(()).links:
        if link.same:
            linked.setdefault(link.a.face_id, []).append(link.b)
            linked.setdefault(link.b.face_id, []).append(link.a)
    found, queue = {face.face_id: face for face in faces}, list(faces)
    while queue:
        new = [face for face in linked.pop(queue.pop().face_id, ()) if face.face_id not in found]
        found |= {face.face_id: face for face in new}
        queue += new
    return tx.decisions_for_photos({face.asset_id for face in found.values()})


def _append_constraint(tx: LedgerTransaction, before: Decisions, count: int, payload: EventPayload) -> CommandResult:
    tx.append(payload)
    after = replace(tx.decisions_for_photos(()), labels=before.labels)
    overruled = _dropped_events(after) - _dropped_events(before)
    if tx.appended[0] in overruled:
        tx.notes.append("Labels contradict a part of this; labels count, and that part does not.")
    earlier = sorted(overruled - set(tx.appended))
    if earlier:
        events = ", ".join(map(str, earlier[:_EVENTS_SHOWN])) + (", …" if len(earlier) > _EVENTS_SHOWN else "")
        number = pluralize(len(earlier), "earlier decision")
        tx.notes.append(f"This contradicts {number} on who belongs together (event {events}): the newer one counts.")
    return tx.result(None, count)


def _dropped_events(decisions: Decisions) -> set[int]:
    """The events of which a link is overruled, as far as these labels tell."""
    owners = {face: label.person_id for face, label in decisions.labels.items()}
    pairs = [PairConstraint(link.a.face_id, link.b.face_id, link.same, link.event_id) for link in decisions.links]
    return {pair.event_id for pair in resolve_conflicts(owners, pairs)[1]}
