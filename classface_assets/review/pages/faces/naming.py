"""Changes of a group: naming it, marking it as no student or no face, splitting it, merging it with another group."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import JSONResponse, Response

from classface_assets.core.languages import gettext
from classface_assets.review.api.common import ClusterId, Context
from classface_assets.review.api.faces.clusters import cluster_faces, split_cluster
from classface_assets.review.api.schemas.clusters import SplitRequest
from classface_assets.review.context import ReviewContext, face_refs
from classface_assets.review.pages.components.cards import (
    partition_chosen,
    require_unchanged,
    similar_name_cards,
)
from classface_assets.review.pages.components.layout import (
    FormFaces,
    FormText,
    change_response,
    page_router,
    render_page,
    wants_json,
)
from classface_assets.review.pages.components.manual_faces import face_refs_with_manual
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PersonKind

NON_STUDENT_NAME = "Not a student"
router = page_router()


@dataclass(frozen=True)
class GroupForm:
    """A cluster whose form was submitted.

    Attributes:
        view: The archive.
        id: The cluster.
        selected: The faces that the user selected (on the page of unknown faces: excluded).
        others: The other faces of the cluster.
        seen: The hash of the faces that the form has shown.
    """

    view: ArchiveView
    id: str
    selected: list[str]
    others: list[str]
    seen: str

    def refs(self, faces: list[str]) -> list[FaceRef]:
        """The faces as the ledger stores them."""
        return face_refs(self.view, faces)


def group_form(context: Context, cluster_id: ClusterId, face: FormFaces = (), seen: FormText = "") -> GroupForm:
    """The submitted group, as a dependency.

    Raises:
        NotFoundError: The cluster no longer exists.
        ProblemError: The cluster has other faces than the form has shown.
    """
    view = context.view()
    selected, others = partition_chosen(require_unchanged(cluster_faces(view, cluster_id), seen), face)
    return GroupForm(view, cluster_id, selected, others, seen)


SubmittedGroup = Annotated[GroupForm, Depends(group_form)]


@router.post("/clusters/{clusterId}/name")
def name_cluster(
    request: Request,
    context: Context,
    group: SubmittedGroup,
    name: FormText = "",
    sure: FormText = "",
    back: FormText = "/",
) -> Response:
    """Label a group with the person of a name, and reject the excluded faces for that person."""
    if not group.others:
        raise ProblemError(422, gettext("All faces are excluded; include those of the person you name."))
    if not sure and (near := similar_name_cards(group.view, name)):
        return _ask_which_name(request, context, group, near, {"name": name, "back": back})
    result = context.ledger.label(name, group.refs(group.others), "cluster")
    events, notes = [*result.events], [*result.notes]
    if group.selected:
        events += context.ledger.reject(result.person.id, group.refs(group.selected)).events
    return change_response(request, context, events, back, notes, person=result.person.display_name)


@router.post("/clusters/{clusterId}/not-a-student")
def not_a_student(
    request: Request, context: Context, group: SubmittedGroup, name: FormText = "", back: FormText = "/"
) -> Response:
    """Label a group with a person who has no album, such as a parent or guest, under a name or a number."""
    faces = group.refs([*group.selected, *group.others])
    result = context.ledger.label(name.strip() or _next_non_student_name(group.view), faces, "cluster")
    events = [*result.events]
    if result.person.kind != PersonKind.NOT_A_STUDENT:
        events += context.ledger.set_kind(result.person.id, PersonKind.NOT_A_STUDENT.value).events
    return change_response(request, context, events, back, result.notes)


@router.post("/faces/not-a-student")
def faces_not_a_student(request: Request, context: Context, face: FormFaces = (), back: FormText = "/") -> Response:
    """Label single faces with a new person who has no album, such as a parent or guest."""
    if not face:
        raise ProblemError(422, gettext("Select the faces first."))
    view = context.view()
    result = context.ledger.label(_next_non_student_name(view), face_refs_with_manual(view, list(dict.fromkeys(face))))
    kind = context.ledger.set_kind(result.person.id, PersonKind.NOT_A_STUDENT.value)
    return change_response(
        request, context, [*result.events, *kind.events], back, result.notes, name=result.person.name
    )


@router.post("/clusters/{clusterId}/not-a-face")
def not_a_face(request: Request, context: Context, group: SubmittedGroup, back: FormText = "/") -> Response:
    """Mark the selected faces, or the whole group, as false detections."""
    result = context.ledger.mark_not_faces(group.refs(group.selected or group.others))
    whole = not group.selected or not group.others
    return change_response(request, context, result.events, back, result.notes, whole=whole)


@router.post("/clusters/{clusterId}/part")
def part(request: Request, context: Context, group: SubmittedGroup, back: FormText = "/") -> Response:
    """Split the selected faces off as another person; with none selected, split the group by similarity."""
    if group.selected and group.others:
        result = context.ledger.split_cluster(group.id, [group.refs(group.others), group.refs(group.selected)])
        return change_response(request, context, result.events, back, result.notes, whole=False)
    if split_cluster(context, group.id, SplitRequest())["status"] == "unchanged":
        raise ProblemError(
            409, gettext("These look like one person. Select the faces of one of the two people, then split.")
        )
    last = group.view.events[-1].id if group.view.events else 0
    return change_response(request, context, [e.id for e in context.view().events if e.id > last], back, whole=False)


@router.post("/clusters/{clusterId}/join")
def join(
    request: Request, context: Context, cluster_id: ClusterId, other: FormText = "", back: FormText = "/"
) -> Response:
    """Merge two groups of one person, under the name of the other one if it has a name."""
    view = context.view()
    faces, other_faces = cluster_faces(view, cluster_id), cluster_faces(view, other)
    if cluster_id == other:
        raise ProblemError(409, gettext("A group cannot be merged with itself; choose another one."))
    person_id = other_faces["person_id"][0]
    if person_id:
        result = context.ledger.label(person_id, face_refs(view, faces["face_id"].to_list()), "cluster")
        return change_response(request, context, result.events, back, result.notes, go=None)
    linked = [*faces["face_id"].head(3), *other_faces["face_id"].head(3)]
    result = context.ledger.must_link(face_refs(view, linked))
    merged = context.view().face(faces["face_id"][0])
    go = f"/clusters/{merged['cluster_id']}" if merged else None
    return change_response(request, context, result.events, back, result.notes, go=go)


def _ask_which_name(
    request: Request, context: ReviewContext, group: GroupForm, near: list[dict[str, object]], form: dict[str, str]
) -> Response:
    """Ask whether a person of a similar name is meant; nothing is changed yet."""
    if wants_json(request):
        return JSONResponse({"near": near, "name": form["name"]})
    submitted = form | {"faces": group.selected, "seen": group.seen, "cluster": group.id}
    return render_page(request, context, "near.html.j2", people=near, submitted=submitted)


def _next_non_student_name(view: ArchiveView) -> str:
    """The next of the names `Not a student 1`, `Not a student 2` and so on."""
    numbers = [
        int(tail)
        for name in view.persons["name"]
        if name.startswith(NON_STUDENT_NAME)
        and (tail := name[len(NON_STUDENT_NAME) :].strip()).isdecimal()
        and len(tail) < 10
    ]
    return f"{NON_STUDENT_NAME} {max(numbers, default=0) + 1}"
