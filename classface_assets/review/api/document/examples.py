"""Examples of the OpenAPI document that exist in the archive, so that a call can be tried as it stands."""

import copy
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import polars as pl

from classface_assets.albums.exports.contents import Selection
from classface_assets.core.errors import UserError
from classface_assets.review.api.common import API_PREFIX
from classface_assets.review.api.faces.clusters import filter_clusters
from classface_assets.review.api.persons.person_rows import filter_persons
from classface_assets.review.context import ReviewContext
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.exports.contents import load_contents
from classface_assets.services.exports.portrait_list import list_portraits
from classface_assets.store.model.events import undone_event_ids
from classface_assets.store.model.person_kinds import PersonStatus
from classface_assets.store.model.purposes import Purpose

NEW_NAME = "Anna Weiss"
_OF_THE_FEWEST_FACES = ("post /persons/{id}/merge", "delete /persons/{id}")
_SELECTIONS = ("post /selection/cluster", "post /selection/assign", "post /assignments/delete")
_RUNS = ("post /assign", "post /cluster", "post /cluster/dual", "post /train")


def with_examples(document: Mapping[str, Any], context: ReviewContext) -> dict[str, Any]:
    """A copy of the document with examples; without them where nothing is published yet."""
    copied: dict[str, Any] = copy.deepcopy(dict(document))
    with suppress(UserError):
        view = context.view()
        ids, bodies = _ids(view, context), _bodies(view)
        for path, calls in copied["paths"].items():
            for method, operation in calls.items():
                call = f"{method} {path.removeprefix(API_PREFIX)}"
                _add_to_parameters(operation, call, ids)
                if call in bodies:
                    operation["requestBody"]["content"]["application/json"]["example"] = bodies[call]
    return copied


def _add_to_parameters(operation: dict[str, Any], call: str, ids: Mapping[str, object]) -> None:
    area = call.split("/")[1]
    for parameter in operation.get("parameters", ()):
        name = parameter.get("name")
        for key in (f"{call} {name}", f"{area} {name}", name):
            if ids.get(key) is not None:
                parameter["example"] = ids[key]
                break


def _ids(view: ArchiveView, context: ReviewContext) -> dict[str, object]:
    """The value of a parameter by its name, or by the call or the first part of the path and its name."""
    people = _people(view)
    best = view.faces.sort("quality_score", "face_id", descending=[True, False], nulls_last=True)
    of_photo = best["asset_id"][0] if best.height else None
    person = people[0] if people else None
    found: dict[str, object] = {
        "clusterId": next(iter(filter_clusters(view)["cluster_id"]), None),
        "faceId": best["face_id"][0] if best.height else None,
        "assetId": of_photo,
        "schoolYear": best["school_year"][0] if best.height else None,
        "persons id": person,
        "sessionId": next(iter(view.decisions.sessions), None),
        "personId": person,
        "settings key": "retention_days",
        "events id": _event_in_force(view),
        "exports id": next((job.id for job in context.export_jobs.recent() if job.version == view.version), None),
        "runs id": next((run.run_id for run in context.run_manager().runs(1, 1)[0]), None),
    }
    if best.height:
        found |= {f"get /exports/{kind} schoolYear": [best["school_year"][0]] for kind in ("photos", "faces")}
    found["get /exports/portraits/{faceId} faceId"] = _face_of_portrait(view, context)
    return found | {f"{call} id": people[-1] if people else None for call in _OF_THE_FEWEST_FACES}


def _bodies(view: ArchiveView) -> dict[str, object]:
    """The body of a call. Matching and training go on in the background, so that the caller need not wait."""
    people = _people(view)
    bodies: dict[str, object] = {"post /persons": {"name": _free_name(view)}}
    bodies |= {call: {"queue": True} for call in _RUNS}
    bodies["put /settings/{key}"] = {"value": 400}
    two = view.faces["face_id"][:2].to_list()
    if len(two) == 2:
        bodies["post /compare"] = {"faceId": two[0], "otherFaceId": two[1]}
    if view.faces.height:
        year = {"schoolYear": view.faces["school_year"][0]}
        bodies["post /sessions"] = {"title": "Sports day", **year}
        bodies |= dict.fromkeys(_SELECTIONS, year)
        bodies["post /exports/documents"] = {"kind": "album", "schoolYears": [view.faces["school_year"][0]]}
    bodies |= _bodies_of_events(view)
    if filter_clusters(view).height:
        bodies["post /clusters/{clusterId}/label"] = {"name": _free_name(view)}
    if people:
        row = view.persons.row(by_predicate=pl.col("id") == people[0], named=True)
        bodies["patch /persons/{id}"] = {"name": row["name"]}
        bodies |= {call: {"who": row["name"], "present": True} for call in ("post /sessions/{sessionId}/attendance",)}
        bodies["post /persons/{id}/merge"] = {"intoPersonId": people[0]}
        theirs = view.faces.filter(pl.col("person_id") == people[0])
        unknown = view.faces.filter(pl.col("person_id").is_null())
        for call, faces in (("confirm", theirs), ("reject", unknown)):
            if faces.height:
                bodies[f"post /persons/{{id}}/{call}"] = {"faceIds": faces["face_id"][:1].to_list()}
    return bodies


def _bodies_of_events(view: ArchiveView) -> dict[str, object]:
    event = _event_in_force(view)
    return {} if event is None else {"post /events/undo": {"eventIds": [event]}}


def _face_of_portrait(view: ArchiveView, context: ReviewContext) -> str | None:
    portraits = list_portraits(load_contents(context.archive, view, Purpose.YEARBOOK), Selection())
    return next(iter(portraits.best(portraits.rows.head(1))["face_id"]), None)


def _people(view: ArchiveView) -> list[str]:
    """The ids of people who are neither hidden nor merged, those with most faces first."""
    rows = filter_persons(view, PersonStatus.ACTIVE)
    return rows.sort("face_count", "id", descending=[True, False])["id"].to_list()


def _event_in_force(view: ArchiveView) -> int | None:
    undone = undone_event_ids(view.events)
    return next((event.id for event in reversed(view.events) if event.id not in undone), None)


def _free_name(view: ArchiveView) -> str:
    """A name that nobody has."""
    taken, number = set(view.persons["name"]), 1
    while (name := NEW_NAME if number == 1 else f"{NEW_NAME} {number}") in taken:
        number += 1
    return name
