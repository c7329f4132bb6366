"""What schemathesis cannot know of the REST API: photos with a face, and what stays of somebody who was deleted.

`schemathesis.toml` beside this file loads it. CONTRACT_PHOTOS is a folder of photos to upload.
"""

import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import use_after_free

PHOTOS = sorted(Path(os.environ["CONTRACT_PHOTOS"]).iterdir())
RUN_CALLS = ("/faces/assign", "/cluster", "/cluster/dual", "/train")
BOUNDS = {"minFaceSize": (1, 10_000), "minConfidence": (0, 1), "blurThreshold": (0, 1_000_000)}
_waited_for: set[str] = set()

schemathesis.openapi.media_type("image/jpeg", st.sampled_from([photo.read_bytes() for photo in PHOTOS]))


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Send photos as a list where the call takes several, and wait for the end of the first run of each kind only.

    A name is added to a form that lacks it although it is meant to be right.
    """
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if case.path.endswith(RUN_CALLS) and "/selection/" not in case.path:
        if case.path in _waited_for:
            case.body = (case.body if isinstance(case.body, dict) else {}) | {"queue": True}
        _waited_for.add(case.path)
    if not is_upload(case) or not isinstance(case.body, dict):
        return
    if case.path.endswith("/search") and isinstance(case.body.get("photo"), bytes):
        case.body["photo"] = [case.body["photo"]]
    if case.path.endswith("/profiles") and case.body.get("name") == "":
        case.body["name"] = "Nia"


@schemathesis.check
def an_upload_is_refused_for_its_picture_only(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """A picture may show nobody, or not well enough, which no schema can say; the answer says which check failed."""
    if is_upload(case) and case.meta.generation.mode.is_positive and response.status_code == 422:
        problem = response.json()
        assert "check" in problem or problem["detail"].startswith("The picture cannot be used"), problem
    return None


@schemathesis.check
def an_upload_that_is_accepted_is_as_described(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """`negative_data_rejection` for forms with a file, whose fields are texts on their way."""
    if is_upload(case) and response.status_code < 300:
        assert isinstance(case.body, dict) and "photo" in case.body, case.body
        assert not case.path.endswith("/profiles") or str(case.body["name"]).strip()
        for name, (least, most) in BOUNDS.items():
            value = case.body.get(name, least)
            assert any(least <= float(one) <= most for one in (value if isinstance(value, list) else [value])), value
    return None


@schemathesis.check
def erased_people_are_gone_and_hidden_ones_hidden(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """`use_after_free` for erasures; a person who was deleted without `erase` is hidden, and says so."""
    try:
        use_after_free(ctx, response, case)
    except schemathesis.Failure as failure:
        if "erase=" in str(failure) and "erase=false" not in str(failure):
            raise
        person = response.json() if response.status_code == 200 and case.path.endswith("/persons/{id}") else {}
        assert person.get("status", "hidden") == "hidden", person
    return None


def is_upload(case: schemathesis.Case) -> bool:
    """Whether the call sends a form with a file, as the schema or against it."""
    return case.media_type == "multipart/form-data" and case.meta is not None
