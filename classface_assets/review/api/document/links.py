"""Links of the OpenAPI document: which call takes an id that another call has returned."""

from collections.abc import Mapping, Sequence
from typing import Any

from classface_assets.review.api.common import API_PREFIX

_PERSON_CALLS = (
    "get /persons/{id}",
    "patch /persons/{id}",
    "delete /persons/{id}",
    "post /persons/{id}/merge",
    "get /persons/{id}/suggestions",
    "post /persons/{id}/confirm",
    "post /persons/{id}/reject",
)
_FACE_CALLS = ("get /{faceId}/chip", "post /{faceId}/assign")
_PHOTO_CALLS = ("get /assets/{assetId}", "get /assets/{assetId}/thumbnail", "post /detect/{assetId}")

LINKS: Mapping[str, Sequence[tuple[Sequence[str], str, str]]] = {
    "201 post /persons": [(_PERSON_CALLS, "id", "$response.body#/id")],
    "201 post /profiles": [
        (_PERSON_CALLS, "id", "$response.body#/personId"),
        (["put /profiles/{personId}"], "personId", "$response.body#/personId"),
    ],
    "200 get /clusters/{clusterId}": [
        (_FACE_CALLS, "faceId", "$response.body#/faces/0/id"),
        (_PHOTO_CALLS, "assetId", "$response.body#/faces/0/assetId"),
    ],
    "200 post /clusters/{clusterId}/label": [(_PERSON_CALLS, "id", "$response.body#/personId")],
    "202 post /exports/documents": [
        (["get /exports/documents/{id}", "get /exports/documents/{id}/file"], "id", "$response.body#/id")
    ],
    "200 get /assets/{assetId}": [(_PHOTO_CALLS, "assetId", "$response.body#/assetId")],
    "200 post /events/{id}/undo": [(["post /events/{id}/undo"], "id", "$response.body#/id")],
    **{
        f"202 post {path}": [(["get /runs/{id}"], "id", "$response.body#/runId")]
        for path in ("/assign", "/cluster", "/cluster/dual", "/train", "/runs/{id}/retry")
    },
}
"""`status method path` of a call → (calls, their parameter, where the response has its value in every case).

Lists are not among them: they may be empty.
"""


def add_links(document: dict[str, Any]) -> None:
    """Add LINKS to the responses of the document."""
    for source, links in LINKS.items():
        status, call = source.split(" ", 1)
        response = _operation(document, call)["responses"][status]
        for calls, parameter, expression in links:
            for target in calls:
                operation = _operation(document, target)
                location = next(p["in"] for p in operation["parameters"] if p.get("name") == parameter)
                response.setdefault("links", {})[operation["summary"]] = {
                    "operationId": operation["operationId"],
                    "parameters": {f"{location}.{parameter}": expression},
                }


def _operation(document: dict[str, Any], call: str) -> dict[str, Any]:
    method, path = call.split(" ")
    found: dict[str, Any] = document["paths"][API_PREFIX + path][method]
    return found
