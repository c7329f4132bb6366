"""The OpenAPI document: FastAPI's, completed with what FastAPI cannot know, such as the errors of the middleware."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict

from classface_assets.review.api.document.links import add_links
from classface_assets.review.problems import PROBLEM_MEDIA_TYPE

Document = dict[str, Any]
DESCRIPTION = """Errors are problem details (RFC 9457). A page's changes need its CSRF token, a script's the bearer
token.

JSON has types: `0` is not `false`, and `"5"` is no number. A path with an id that nothing can have is answered with
status 404. `OPTIONS`, and a method that a path does not have, are answered with status 405 and an `Allow` header."""
UPLOADED_TYPES = "image/jpeg, image/png, image/webp, image/heic, image/tiff"
"""Of photos; the content counts, not the declared type."""
_EVERY_CALL = (401, 421, 429, 431, 503)
_CHANGES = (403, 408, 413)
_ACTOR = {
    "name": "X-Classface-Actor",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "Under which name the history records the change, for a script that acts for somebody.",
}


class InvalidField(BaseModel):
    """A field of the request that cannot be used: where it is, what is wrong, and the kind of the error."""

    where: str
    what: str
    code: str


class Problem(BaseModel):
    """Problem details of an error (RFC 9457): `detail` is one sentence for the user.

    `errors` lists the fields that cannot be used. A portrait that is refused has the `check` that failed, with what was
    `found` and what is `wanted`. `runId` is the run that failed.
    """

    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    detail: str


_OPTIONAL_MEMBERS = {
    "errors": {"type": "array", "items": {"$ref": "#/components/schemas/InvalidField"}},
    "check": {"type": "string"},
    "found": {"type": "number"},
    "wanted": {"type": "number"},
    "runId": {"type": "string", "format": "uuid"},
}


def create_document(app: FastAPI) -> Document:
    """The document of the app's calls, whatever archive it serves."""
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    schemas["Problem"]["properties"] |= _OPTIONAL_MEMBERS
    schemas["InvalidField"] = InvalidField.model_json_schema()
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    components["parameters"] = {"Actor": _ACTOR}
    components["responses"] = {}
    document["security"] = [{"token": []}]
    for method, operation in operations(document):
        _complete_errors(operation, method, components["responses"])
        _complete_request(operation, method)
    add_links(document)
    return document


def operations(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """(method, operation) of every call of the document."""
    for calls in document["paths"].values():
        yield from calls.items()


def _complete_errors(operation: dict[str, Any], method: str, shared: dict[str, Any]) -> None:
    """Refer each error of a call to the shared response of its status, and add those that every call may have."""
    responses = operation["responses"]
    if not operation.get("parameters") and "requestBody" not in operation:
        responses.pop("422", None)
    listed = {int(status) for status in responses if int(status) >= 400}
    for status in sorted({*listed, *_EVERY_CALL, *(_CHANGES if method != "get" else ())}):
        name = f"Problem{status}"
        content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        shared[name] = {"description": HTTPStatus(status).phrase, "content": content}
        responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = dict(sorted(responses.items()))


def _complete_request(operation: dict[str, Any], method: str) -> None:
    """Name the header that changes are recorded under, and the formats of uploads."""
    if method != "get":
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/Actor"})
    form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
    if form is not None:
        form["encoding"] = {"photo": {"contentType": UPLOADED_TYPES}}
