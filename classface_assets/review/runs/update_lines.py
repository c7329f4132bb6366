"""The runs of an archive as what people did: one line an update, with its runs in it. Imports nothing of Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from classface_assets.core.languages import format_number, gettext, marked, ngettext
from classface_assets.orchestration.updates.record import UpdateRecord

if TYPE_CHECKING:
    from classface_assets.review.runs.records import RunSummary

STATES = {"SUCCESS": marked("done"), "FAILURE": marked("failed"), "CANCELED": marked("cancelled")}
RUNNING = marked("running")
JOBS = {
    "ingest_year": marked("Photos and faces"),
    "identify": marked("Who is who"),
    "identify_high_precision": marked("Who is who, strictly"),
    "identify_fast": marked("Who is who, quickly"),
    "evaluate": marked("How well people are recognised"),
    "year_album": marked("Album"),
    "school_site": marked("Index of the albums"),
    "all_albums": marked("Albums and their index"),
    "update": marked("Everything"),
}
_COUNT_NAMES = {
    "dagster/row_count": marked("rows"),
    "new_files": marked("new files"),
    "left_out": marked("left out"),
    "doubted_dates": marked("doubted dates"),
    "photos_searched_now": marked("photos searched now"),
    "turned_scans": marked("turned scans"),
    "photos_turned": marked("photos turned"),
    "embedded_now": marked("embedded now"),
    "chips_not_decoded": marked("chips not decoded"),
    "faces_done": marked("faces done"),
    "files": marked("files"),
    "photos": marked("photos"),
    "photos_with_a_burst_counted_once": marked("photos with a burst counted once"),
    "faces": marked("faces"),
    "faces_searched": marked("faces searched"),
    "neighbours": marked("neighbours"),
    "faces_processed": marked("faces processed"),
    "faces_named": marked("faces named"),
    "people": marked("people"),
    "head_used": marked("head used"),
    "decisions_for_the_next_run": marked("decisions for the next run"),
    "faces_moved_since_last_time": marked("faces moved since last time"),
    "training_faces": marked("training faces"),
    "held_out_faces": marked("held out faces"),
    "students_below_the_goal": marked("students below the goal"),
    "students_in_no_photo": marked("students in no photo"),
    "goal": marked("goal"),
    "students": marked("students"),
    "photos_in_folders": marked("photos in folders"),
    "copied_for_lack_of_hard_links": marked("copied for lack of hard links"),
    "pages_changed": marked("pages changed"),
    "named_students": marked("named students"),
    "unknown_students": marked("unknown students"),
}
_ENVIRONMENT = ("pack", "photos_folder", "data_folder")


@dataclass(frozen=True)
class RunLine:
    """One run of an update.

    Attributes:
        run_id: Its id.
        title: What its job does, in words.
        job: The name of the job.
        year: The school year; "" for all of them.
        state: `done`, `failed`, `cancelled` or `running`.
        seconds: How long it took; None before its end.
        reason: Why it failed.
        parameters: Of its assets.
        counts: Asset → the first numbers that it logged.
        url: Its page in Dagster; "" where that does not answer.
    """

    run_id: str
    title: str
    job: str
    year: str
    state: str
    seconds: float | None
    reason: str
    parameters: Mapping[str, Any]
    counts: Sequence[tuple[str, str]]
    url: str


@dataclass(frozen=True)
class UpdateLine:
    """An update, or a run on its own.

    Attributes:
        title: `Update`, or what the only run of it does.
        at: When it began.
        summary: `2 school years, 120 photos, 34 new faces`.
        state: As that of a run.
        seconds: From its begin to its end; None while it goes on.
        started_by: The command, sensor or schedule.
        reasons: Why runs of it failed, each once.
        facts: Name → value: pack and folders, as far as they are recorded.
        runs: Its runs, in their order.
    """

    title: str
    at: datetime | None
    summary: str
    state: str
    seconds: float | None
    started_by: str
    reasons: Sequence[str]
    facts: Mapping[str, str]
    runs: Sequence[RunLine]


def update_line(runs: Sequence["RunSummary"], record: UpdateRecord | None, with_links: bool) -> UpdateLine:
    """The line of an update.

    Args:
        runs: Its runs, newest first; one at least.
        record: Of the update, where it is there.
        with_links: Whether Dagster's page answers.
    """
    ordered = list(reversed(runs))
    lines = [_run_line(run, with_links) for run in ordered]
    began = min((at for run in ordered if (at := run.started_at or run.created_at)), default=None)
    ends = [run.ended_at for run in ordered]
    last = None if None in ends else max(one for one in ends if one is not None)
    state = _state(lines, record)
    if record is not None:
        began, last = record.began, record.ended or last
    is_chain = len(runs) > 1 if record is None else not record.job
    return UpdateLine(
        title=gettext("Update") if is_chain else lines[0].title,
        at=datetime.fromtimestamp(began, UTC) if began else None,
        summary=_summary(ordered, record),
        state=state,
        seconds=last - began if began and last and state != "running" else None,
        started_by=ordered[0].started_by,
        reasons=list(dict.fromkeys(line.reason for line in lines if line.reason)),
        facts={name: value for name in _ENVIRONMENT if (value := getattr(ordered[-1], name))},
        runs=lines,
    )


def recorded_line(record: UpdateRecord) -> UpdateLine:
    """The line of an update without runs: nothing was new, it could not begin, or Dagster has removed its records."""
    state = {"done": "done", "failed": "failed", "killed": "failed"}.get(str(record.state), RUNNING)
    return UpdateLine(
        title=_job_title(record.job) if record.job else gettext("Update"),
        at=datetime.fromtimestamp(record.began, UTC),
        summary=(", ".join(_counts(record.photos, record.faces)) or gettext("nothing was new"))
        if state == "done"
        else "",
        state=state,
        seconds=record.ended - record.began if record.ended else None,
        started_by=record.command,
        reasons=record.shown_problems[:3] if state == "failed" else [],
        facts={"pack": record.pack, "photos_folder": record.photos_folder, "data_folder": record.data_folder},
        runs=(),
    )


def _job_title(job: str) -> str:
    return gettext(JOBS[job]) if job in JOBS else job.replace("_", " ")


def _state(lines: Sequence[RunLine], record: UpdateRecord | None) -> str:
    if (record is not None and record.in_progress) or any(line.state == "running" for line in lines):
        return "running"
    if record is not None:
        return "done" if record.state == "done" else "failed"
    return next((state for state in ("failed", "cancelled") if any(line.state == state for line in lines)), "done")


def _summary(runs: Sequence["RunSummary"], record: UpdateRecord | None) -> str:
    """What was new: school years, photos, faces."""
    ingested = [run for run in runs if run.job == "ingest_year"]
    files = sum(int(run.counts.get("images", {}).get("new_files", 0)) for run in ingested)
    searched = sum(int(run.counts.get("detections", {}).get("photos_searched_now", 0)) for run in ingested)
    photos = record.photos if record and record.photos else searched or files
    faces = record.faces if record else 0
    faces = faces or sum(int(run.counts.get("embeddings", {}).get("embedded_now", 0)) for run in ingested)
    years = {year for run in ingested for year in run.news} | {
        run.school_year for run in ingested if run.school_year and run.status == "FAILURE"
    }
    if ingested and not years:
        return gettext("nothing was new")
    parts = [ngettext("%(num)s school year", "%(num)s school years", len(years))] if len(years) > 1 else sorted(years)
    parts += _counts(photos, faces)
    if not parts:
        albums = {year for run in runs for year in run.materialized.get("albums", ())}
        named = any(run.job.startswith("identify") for run in runs)
        parts += [gettext("names")] if named else []
        parts += [ngettext("%(num)s album", "%(num)s albums", len(albums))] if albums else []
    return ", ".join(parts)


def _counts(photos: int, faces: int) -> list[str]:
    parts = [ngettext("%(num)s photo", "%(num)s photos", photos)] if photos else []
    return parts + ([ngettext("%(num)s new face", "%(num)s new faces", faces)] if faces else [])


def _run_line(run: "RunSummary", with_links: bool) -> RunLine:
    began, ended = run.started_at or run.created_at, run.ended_at
    return RunLine(
        run_id=run.run_id,
        title=_job_title(run.job),
        job=run.job,
        year=run.school_year or "",
        state=STATES.get(run.status, RUNNING),
        seconds=ended - began if ended and began else None,
        reason=run.reason,
        parameters={
            name: value for op in run.parameters.values() for name, value in dict(op).items() if value is not None
        },
        counts=_count_lines(run.counts),
        url=run.url if with_links else "",
    )


def _count_name(name: str) -> str:
    return gettext(_COUNT_NAMES[name]) if name in _COUNT_NAMES else name.replace("_", " ")


def _count_lines(counts: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
    """The first four whole numbers that each asset logged."""
    lines = []
    for asset, numbers in counts.items():
        whole = [
            gettext("%(number)s %(name)s", number=format_number(int(value)), name=_count_name(name))
            for name, value in numbers.items()
            if value == int(value)
        ]
        lines.append((asset.replace("_", " "), ", ".join(whole[:4])))
    return lines
