"""Coverage: how often each student appears, by class; who appears too rarely, and who in no photo at all."""

from typing import Annotated

import polars as pl
from fastapi import Form, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.albums.exports.student_coverage import goal_sentence
from classface_assets.core.languages import gettext
from classface_assets.review.api.common import Context
from classface_assets.review.api.exports import coverage_report
from classface_assets.review.pages.components.cards import cover_faces
from classface_assets.review.pages.components.layout import FormText, local_path, page_router, render_page, wants_json
from classface_assets.services.exports.coverage import lasting_goal, remember_goal

PAGE_SIZE = 100
router = page_router()
GoalField = Annotated[int, Form(ge=1, le=10_000)]


@router.get("/coverage")
def coverage(
    request: Request,
    context: Context,
    year: Annotated[str, Query(max_length=255)] = "",
    school_class: Annotated[str, Query(max_length=255, alias="class")] = "",
    goal: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """The students of a school year, the latest by default, those who appear most rarely first."""
    view = context.view()
    lasting = lasting_goal(context.archive)
    goal = goal or lasting
    whole = coverage_report(context, goal, "", "")
    years = whole.years
    chosen = year or next(iter(whole.students["school_year"]), "")
    report = coverage_report(context, goal, chosen, school_class) if chosen else whole
    rows = report.students.sort("appearances", "class", "name")
    shown = rows.slice((number - 1) * PAGE_SIZE, PAGE_SIZE)
    faces = cover_faces(view, shown["person_id"].drop_nulls().to_list())
    of_year = [one for one in whole.summaries if one.school_year == chosen]
    total = next((one for one in report.summaries if one.school_class is None), None)
    return render_page(
        request,
        context,
        "coverage.html.j2",
        goal=goal,
        is_lasting=goal == lasting,
        year=chosen,
        school_class=school_class,
        years=years,
        classes=[one for one in of_year if one.school_class],
        sentence=goal_sentence(total, goal) if total else "",
        total=total,
        students=[row | {"cover": faces.get(row["person_id"])} for row in shown.iter_rows(named=True)],
        most=max(int(rows["appearances"].max() or 0), goal),  # type: ignore[arg-type]
        not_shown=report.not_shown,
        has_roster=bool(report.students.filter(pl.col("on_roster")).height),
        number=number,
        pages=-(-rows.height // PAGE_SIZE),
    )


@router.post("/coverage/goal")
def change_goal(request: Request, context: Context, goal: GoalField, back: FormText = "/coverage") -> Response:
    """Make a goal the archive's own: pages, commands and the API measure by it when they are given none."""
    remember_goal(context.archive, goal)
    if wants_json(request):
        return JSONResponse(
            {"message": gettext("The goal is %(goal)s from now on", goal=goal), "notes": [], "undo": []}
        )
    return RedirectResponse(local_path(back), 303)
