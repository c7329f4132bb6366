"""What is said of a group: its name, that it is no student or no face, that it is two people or one with another."""

from fastapi import Request
from starlette.responses import JSONResponse, Response

from classface_assets.review.api.clusters import Splitting, rows_of_cluster, split_cluster
from classface_assets.review.api.common import AtDesk, ClusterId
from classface_assets.review.desk import Desk, marks
from classface_assets.review.pages.cards import as_seen, chosen, covers, near_known
from classface_assets.review.pages.fields import Faces, Text
from classface_assets.review.pages.frame import changed, page, page_router, wants_json
from classface_assets.review.problems import ProblemError
from classface_assets.review.view import View

OTHERS = "Not a student"
router = page_router()


@router.post("/clusters/{clusterId}/name")
def name_cluster(
    request: Request,
    desk: AtDesk,
    cluster_id: ClusterId,
    name: Text = "",
    face: Faces = (),
    seen: Text = "",
    sure: Text = "",
    back: Text = "/",
) -> Response:
    """The group is the person of that name, but for the faces that were taken out: these are not that person."""
    view = desk.view()
    out, kept = chosen(as_seen(rows_of_cluster(view, cluster_id), seen), face)
    if not kept:
        raise ProblemError(422, "All faces were taken out; leave in those of the person you name.")
    if not sure and (near := near_known(view, name)):
        return _did_you_mean(request, desk, view, near, name=name, faces=face, seen=seen, back=back, cluster=cluster_id)
    act = desk.ledger.label(name, marks(view, kept), "cluster")
    events, notes = [*act.events], [*act.notes]
    if out:
        events += desk.ledger.reject(act.person.id, marks(view, out)).events
    return changed(request, desk, events, back, notes, person=act.person.name)


@router.post("/clusters/{clusterId}/not-a-student")
def not_a_student(
    request: Request, desk: AtDesk, cluster_id: ClusterId, name: Text = "", seen: Text = "", back: Text = "/"
) -> Response:
    """Somebody who has no album: a parent, a guest. They stay a person of their own, under a name or a number."""
    view = desk.view()
    rows = as_seen(rows_of_cluster(view, cluster_id), seen)
    act = desk.ledger.label(name.strip() or _next_other(view), marks(view, rows["face_id"].to_list()), "cluster")
    kind = [] if act.person.kind == "not a student" else desk.ledger.set_kind(act.person.id, "not a student").events
    return changed(request, desk, [*act.events, *kind], back, act.notes)


@router.post("/clusters/{clusterId}/not-a-face")
def not_a_face(
    request: Request,
    desk: AtDesk,
    cluster_id: ClusterId,
    face: Faces = (),
    seen: Text = "",
    back: Text = "/",
) -> Response:
    """The faces that were chosen are none, or the whole group is none."""
    view = desk.view()
    out, rest = chosen(as_seen(rows_of_cluster(view, cluster_id), seen), face)
    act = desk.ledger.not_faces(marks(view, out or rest))
    return changed(request, desk, act.events, back, act.notes, whole=not out or not rest)


@router.post("/clusters/{clusterId}/part")
def part(
    request: Request,
    desk: AtDesk,
    cluster_id: ClusterId,
    face: Faces = (),
    seen: Text = "",
    back: Text = "/",
) -> Response:
    """The faces that were chosen are one person, the others another; with none chosen, a closer look parts them."""
    view = desk.view()
    out, rest = chosen(as_seen(rows_of_cluster(view, cluster_id), seen), face)
    if out and rest:
        act = desk.ledger.split(cluster_id, [marks(view, rest), marks(view, out)])
        return changed(request, desk, act.events, back, act.notes, whole=False)
    if split_cluster(desk, cluster_id, Splitting())["status"] == "unchanged":
        raise ProblemError(409, "These look like one person. Choose the faces of one of the two people, then split.")
    events = [e.id for e in desk.view().events if e.id > (view.events[-1].id if view.events else 0)]
    return changed(request, desk, events, back, whole=False)


@router.post("/clusters/{clusterId}/join")
def join(request: Request, desk: AtDesk, cluster_id: ClusterId, other: Text = "", back: Text = "/") -> Response:
    """This group and another are one person: under the other's name where it has one."""
    view = desk.view()
    mine, theirs = rows_of_cluster(view, cluster_id), rows_of_cluster(view, other)
    if cluster_id == other:
        raise ProblemError(409, "A group cannot be joined with itself; choose another one.")
    named = theirs["person_name"][0]
    if named:
        act = desk.ledger.label(named, marks(view, mine["face_id"].to_list()), "cluster")
    else:
        ends = [*mine["face_id"].head(3), *theirs["face_id"].head(3)]
        act = desk.ledger.must_link(marks(view, ends))
    return changed(request, desk, act.events, back, act.notes)


def _did_you_mean(request: Request, desk: Desk, view: View, near: list[dict[str, object]], **asked: object) -> Response:
    """The question whether somebody who is known is meant; nothing is changed yet."""
    faces = covers(view, [str(person["id"]) for person in near])
    people = [{"name": p["name"], "faces": p["face_count"], "face": faces.get(str(p["id"]))} for p in near]
    if wants_json(request):
        return JSONResponse({"near": people, "name": asked["name"]})
    return page(request, desk, "near.html.j2", people=people, asked=asked)


def _next_other(view: View) -> str:
    numbers = [
        int(tail)
        for name in view.persons["name"]
        if name.startswith(OTHERS) and (tail := name[len(OTHERS) :].strip()).isdecimal() and len(tail) < 10
    ]
    return f"{OTHERS} {max(numbers, default=0) + 1}"
