"""What is said of a group: its name, that it is no student or no face, that it is two people or one with another."""

from dataclasses import dataclass
from typing import Annotated

import polars as pl
from fastapi import Depends, Request
from starlette.responses import JSONResponse, Response

from classface_assets.review.api.clusters import cluster_faces, split_cluster
from classface_assets.review.api.common import ClusterId, Context
from classface_assets.review.api.schemas.clusters import SplitRequest
from classface_assets.review.context import ReviewContext, face_refs
from classface_assets.review.pages.components.cards import (
    cover_faces,
    partition_chosen,
    require_unchanged,
    similar_known_names,
)
from classface_assets.review.pages.components.layout import (
    FormFaces,
    FormText,
    change_response,
    page_router,
    render_page,
    wants_json,
)
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.model.face_ref import FaceRef

NON_STUDENT_NAME = "Not a student"
router = page_router()


@dataclass(frozen=True)
class GroupForm:
    """A cluster as a form shows it: the faces that were chosen in it, and the others."""

    view: ArchiveView
    id: str
    chosen: list[str]
    rest: list[str]
    seen: str

    def marks(self, faces: list[str]) -> list[FaceRef]:
        return face_refs(self.view, faces)


def group_form(desk: Context, cluster_id: ClusterId, face: FormFaces = (), seen: FormText = "") -> GroupForm:
    """Raises NotFoundError, or ProblemError when the cluster has other faces now."""
    view = desk.view()
    out, rest = partition_chosen(require_unchanged(cluster_faces(view, cluster_id), seen), face)
    return GroupForm(view, cluster_id, out, rest, seen)


SubmittedGroup = Annotated[GroupForm, Depends(group_form)]


@router.post("/clusters/{clusterId}/name")
def name_cluster(
    request: Request,
    desk: Context,
    group: SubmittedGroup,
    name: FormText = "",
    sure: FormText = "",
    back: FormText = "/",
) -> Response:
    """The group is the person of that name, but for the faces that were taken out: these are not that person."""
    if not group.rest:
        raise ProblemError(422, "All faces were taken out; leave in those of the person you name.")
    if not sure and (near := similar_known_names(group.view, name)):
        return _did_you_mean(request, desk, group, near, name, back)
    act = desk.ledger.label(name, group.marks(group.rest), "cluster")
    events, notes = [*act.events], [*act.notes]
    if group.chosen:
        events += desk.ledger.reject(act.person.id, group.marks(group.chosen)).events
    return change_response(request, desk, events, back, notes, person=act.person.display_name)


@router.post("/clusters/{clusterId}/not-a-student")
def not_a_student(
    request: Request, desk: Context, group: SubmittedGroup, name: FormText = "", back: FormText = "/"
) -> Response:
    """Somebody who has no album: a parent, a guest. They stay a person of their own, under a name or a number."""
    faces = group.marks([*group.chosen, *group.rest])
    act = desk.ledger.label(name.strip() or _next_non_student_name(group.view), faces, "cluster")
    kind = [] if act.person.kind == "not a student" else desk.ledger.set_kind(act.person.id, "not a student").events
    return change_response(request, desk, [*act.events, *kind], back, act.notes)


@router.post("/clusters/{clusterId}/not-a-face")
def not_a_face(request: Request, desk: Context, group: SubmittedGroup, back: FormText = "/") -> Response:
    """The faces that were chosen are none, or the whole group is none."""
    act = desk.ledger.mark_not_faces(group.marks(group.chosen or group.rest))
    return change_response(request, desk, act.events, back, act.notes, whole=not group.chosen or not group.rest)


@router.post("/clusters/{clusterId}/part")
def part(request: Request, desk: Context, group: SubmittedGroup, back: FormText = "/") -> Response:
    """The faces that were chosen are one person, the others another; with none chosen, a closer look parts them."""
    if group.chosen and group.rest:
        act = desk.ledger.split_cluster(group.id, [group.marks(group.rest), group.marks(group.chosen)])
        return change_response(request, desk, act.events, back, act.notes, whole=False)
    if split_cluster(desk, group.id, SplitRequest())["status"] == "unchanged":
        raise ProblemError(409, "These look like one person. Choose the faces of one of the two people, then split.")
    last = group.view.events[-1].id if group.view.events else 0
    return change_response(request, desk, [e.id for e in desk.view().events if e.id > last], back, whole=False)


@router.post("/clusters/{clusterId}/join")
def join(
    request: Request, desk: Context, cluster_id: ClusterId, other: FormText = "", back: FormText = "/"
) -> Response:
    """This group and another are one person: under the other's name where it has one."""
    view = desk.view()
    mine, theirs = cluster_faces(view, cluster_id), cluster_faces(view, other)
    if cluster_id == other:
        raise ProblemError(409, "A group cannot be joined with itself; choose another one.")
    named = theirs["person_id"][0]
    if named:
        act = desk.ledger.label(named, face_refs(view, mine["face_id"].to_list()), "cluster")
    else:
        ends = [*mine["face_id"].head(3), *theirs["face_id"].head(3)]
        act = desk.ledger.must_link(face_refs(view, ends))
    found = desk.view().faces.row(by_predicate=pl.col("face_id") == mine["face_id"][0], named=True)["cluster_id"]
    return change_response(request, desk, act.events, back, act.notes, go=None if named else f"/clusters/{found}")


def _did_you_mean(
    request: Request, desk: ReviewContext, group: GroupForm, near: list[dict[str, object]], name: str, back: str
) -> Response:
    """The question whether somebody who is known is meant; nothing is changed yet."""
    faces = cover_faces(group.view, [str(person["id"]) for person in near])
    people = [{"name": p["name"], "faces": p["face_count"], "face": faces.get(str(p["id"]))} for p in near]
    if wants_json(request):
        return JSONResponse({"near": people, "name": name})
    asked = {"name": name, "faces": group.chosen, "seen": group.seen, "back": back, "cluster": group.id}
    return render_page(request, desk, "near.html.j2", people=people, asked=asked)


def _next_non_student_name(view: ArchiveView) -> str:
    numbers = [
        int(tail)
        for name in view.persons["name"]
        if name.startswith(NON_STUDENT_NAME)
        and (tail := name[len(NON_STUDENT_NAME) :].strip()).isdecimal()
        and len(tail) < 10
    ]
    return f"{NON_STUDENT_NAME} {max(numbers, default=0) + 1}"
