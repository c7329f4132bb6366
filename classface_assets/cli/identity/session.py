"""`classface session …`: sets of photos of one occasion, who was there, and naming their faces without a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import PACK, PRESET, archive_options, echo_result
from classface_assets.cli.completion import complete_years
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    from classface_assets.identity.settings import AssignmentSettings
    from classface_assets.orchestration.resources import Archive
    from classface_assets.services.archive_view.model import ArchiveView
    from classface_assets.services.identity.face_matching import FaceVectors
    from classface_assets.services.identity.presets import Preset
    from classface_assets.services.photo_sessions.membership import Selection
    from classface_assets.store.model.photo_session import PhotoSession

_DAY = click.DateTime(["%Y-%m-%d"])
WHICH = click.argument("which", metavar="SESSION")


def session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that describe which photos belong to a session."""
    for option in reversed(
        (
            click.option("--event", metavar="FOLDER", help="Photos in this folder, such as 2019-2020/sports."),
            click.option("--school-year", shell_complete=complete_years, help="Photos of this school year."),
            click.option("--class", "classes", multiple=True, help="Whose students are expected; may be repeated."),
            click.option("--from", "from_day", type=_DAY, metavar="YYYY-MM-DD", help="Photos from this day on."),
            click.option("--to", "to_day", type=_DAY, metavar="YYYY-MM-DD", help="Photos up to this day [--from]."),
            click.option(
                "--photo", "photo_paths", multiple=True, help="Exactly these photos (paths); may be repeated."
            ),
        )
    ):
        command = option(command)
    return command


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The photos of a session, or of a folder, school year or class without one."""
    for option in reversed(
        (
            click.argument("which", metavar="[SESSION]", required=False),
            click.option("--event", metavar="FOLDER", default="", help="Photos in this folder."),
            click.option(
                "--school-year", shell_complete=complete_years, default="", help="Photos of this school year."
            ),
            click.option("--class", "class_name", default="", help="Photos that show this class."),
        )
    ):
        command = option(command)
    return command


@click.group("session")
def session() -> None:
    """Sets of photos of one occasion, and who was there."""


@session.command("create")
@archive_options
@click.argument("title")
@session_options
def create(archive: Archive, title: str, **fields: Any) -> None:
    """Add a session: a folder, days and classes, or single photos."""
    from classface_assets.store.ledger.commands.sessions import sessions_of_events
    from classface_assets.store.model.photo_session import PhotoSession

    made = _described(archive, PhotoSession("", title), fields)
    ledger = archive.open_ledger()
    result = ledger.create_session(made)
    (stored,) = sessions_of_events(ledger.decisions(), result.events)
    echo_result(result, f"{stored.id}  {stored.title}")


@session.command("change")
@archive_options
@WHICH
@click.option("--title", help="Another title.")
@session_options
def change(archive: Archive, which: str, title: str | None, **fields: Any) -> None:
    """Change the title or the photos of a session; what is left out stays."""
    ledger = archive.open_ledger()
    before = _find(archive, which)
    made = _described(archive, replace(before, title=title or before.title), fields)
    echo_result(ledger.change_session(made), f"Changed: {made.title}.")


@session.command("delete")
@archive_options
@WHICH
def delete(archive: Archive, which: str) -> None:
    """Delete a session with its corrections; photos and names stay, and `classface undo` brings it back."""
    found = _find(archive, which)
    echo_result(archive.open_ledger().delete_session(found.id), f"Deleted: {found.title}.")


@session.command("list")
@archive_options
@click.option(
    "--school-year", shell_complete=complete_years, default="", help="Only sessions of this school year [all]."
)
@click.option("--class", "class_name", default="", help="Only sessions of this class [all].")
@JSON
def list_(archive: Archive, school_year: str, class_name: str, as_json: bool) -> None:
    """List the sessions by day, with the number of their photos."""
    from classface_assets.services.photo_sessions.membership import session_photos
    from classface_assets.services.photo_sessions.register import sessions_by_day

    view = _view(archive)
    columns = sessions_by_day(view, school_year, class_name)
    counts = [session_photos(view, column.session).height for column in columns]
    if as_json:
        rows = zip(columns, counts, strict=True)
        echo_json([{"session": column.session, "day": column.day, "photos": photos} for column, photos in rows])
        return
    for column, photos in zip(columns, counts, strict=True):
        day = str(column.day) if column.day else "no day"
        click.echo(f"{column.session.id}  {day:<10}  {photos:>5,} photos  {column.session.title}")


@session.command("show")
@archive_options
@WHICH
@PRESET
@JSON
def show(archive: Archive, which: str, preset: str | None, as_json: bool) -> None:
    """Who was there, who was absent by the roster, and how many faces are unknown."""
    _show(archive, which, preset, as_json, as_csv=False)


@session.command("attendance")
@archive_options
@WHICH
@PRESET
@JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
def attendance_(archive: Archive, which: str, preset: str | None, as_json: bool, as_csv: bool) -> None:
    """Who was there: the same as `show`, also as CSV."""
    _show(archive, which, preset, as_json, as_csv)


@session.command("register")
@archive_options
@click.option(
    "--school-year", shell_complete=complete_years, default="", help="Only sessions of this school year [all]."
)
@click.option("--class", "class_name", default="", help="Only students of this class [all].")
@PRESET
@JSON
def register_(archive: Archive, school_year: str, class_name: str, preset: str | None, as_json: bool) -> None:
    """Who was at which session over time, as CSV."""
    from classface_assets.services.photo_sessions.register import register, register_csv

    table = register(_view(archive), school_year, class_name, _preset(preset))
    if as_json:
        echo_json(table)
        return
    click.echo(register_csv(table), nl=False)


@session.command("correct")
@archive_options
@WHICH
@click.argument("person")
@click.option("--present/--absent", default=None, help="Whether the person was there, whatever the photos show.")
@click.option("--as-in-photos", is_flag=True, help="Take an earlier correction back.")
def correct(archive: Archive, which: str, person: str, present: bool | None, as_in_photos: bool) -> None:
    """Record that somebody was there without a face in a photo, or was not although a face was matched."""
    if (present is None) != as_in_photos:
        raise click.UsageError("Give one of --present, --absent and --as-in-photos.")
    result = archive.open_ledger().correct_attendance(which, person, present)
    there = {True: "was there", False: "was not there", None: "counts as in the photos"}[present]
    echo_result(result, f"{result.person.name} {there}.")


@session.command("cluster")
@archive_options
@PACK
@selection_options
@click.option("--max-clusters", type=click.IntRange(1), help="The largest groups only [all].")
@click.option("--similarity-threshold", type=click.FloatRange(-1, 1), help="Ignore pairs of less similar faces.")
@click.option("--include-identified", is_flag=True, help="Also faces that were matched but not labelled.")
@click.option("--create-students", is_flag=True, help="Make a person of each group, with a provisional name.")
@PRESET
@JSON
def cluster(
    archive: Archive,
    pack: str | None,
    which: str | None,
    include_identified: bool,
    create_students: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Cluster the unknown faces of a session, a class or a folder by themselves. Nothing is stored by default."""
    from classface_assets.services.photo_sessions import recognition
    from classface_assets.services.photo_sessions.membership import selected_faces

    sight = _recognition(archive, pack, options["preset"])
    selection = _selection(sight.view, which, options)
    changed = {name: options[name] for name in ("max_clusters", "similarity_threshold") if options[name] is not None}
    faces = recognition.unknown_faces(selected_faces(sight.view, selection), include_identified)
    found = recognition.cluster_selection(sight.view, sight.vectors, faces, replace(sight.settings, **changed))
    events: tuple[int, ...] = ()
    if create_students:
        title = selection.session.title if selection.session else selection.class_name or "Student"
        events = recognition.create_students(archive.open_ledger(), sight.view, title, found)
    if as_json:
        echo_json({"faces": faces.height, "groups": found.groups, "noise": found.noise, "events": events})
        return
    click.echo(f"{faces.height:,} faces: {len(found.groups):,} groups, {len(found.noise):,} single faces.")
    for group in found.groups:
        click.echo(f"{len(group):>5} faces  {' '.join(group[:3])}{' …' if len(group) > 3 else ''}")
    _echo_stored(events, "--create-students makes a person of each group")


@session.command("assign")
@archive_options
@PACK
@selection_options
@click.option("-k", type=click.IntRange(1), default=5, show_default=True, help="How many labelled faces are compared.")
@click.option("--threshold", type=click.FloatRange(-1, 1), help="Least similarity of a person [the archive's].")
@click.option("--voting/--no-voting", default=True, show_default=True, help="Whether these faces vote.")
@click.option("--face", "faces", multiple=True, help="Only this face; may be repeated.")
@click.option("--commit", is_flag=True, help="Label the faces; otherwise nothing is stored.")
@PRESET
@JSON
def assign(archive: Archive, pack: str | None, which: str | None, commit: bool, as_json: bool, **options: Any) -> None:
    """Match the faces of a session, a class or a folder with named people, without a run. A dry run by default."""
    from classface_assets.services.identity.face_matching import knn_settings
    from classface_assets.services.photo_sessions import recognition
    from classface_assets.services.photo_sessions.membership import selected_faces
    from classface_assets.store.catalog.portraits import portrait_means

    sight = _recognition(archive, pack, options["preset"])
    view, selection = sight.view, _selection(sight.view, which, options)
    settings = knn_settings(sight.settings, options["k"], options["threshold"], options["voting"])
    portraits = portrait_means(archive.layout, sight.pack_key, view.decisions.portraits)
    matches = recognition.match_selection(view, sight.vectors, portraits, selected_faces(view, selection), settings)
    events = recognition.store_matches(archive.open_ledger(), view, matches) if commit else ()
    if as_json:
        echo_json({"threshold": settings.person_threshold, "matches": matches, "events": events})
        return
    found = [match for match in matches if match.person_id is not None]
    for match in found:
        name = view.decisions.persons[str(match.person_id)].display_name
        click.echo(f"{match.face_id}  {match.similarity:.2f}  {name}")
    click.echo(f"{len(found):,} of {len(matches):,} faces match somebody (threshold {settings.person_threshold:g}).")
    _echo_stored(events, "--commit labels them")


COMMANDS = (session,)


@dataclass(frozen=True)
class _Recognition:
    """What naming faces without a run needs."""

    view: ArchiveView
    vectors: FaceVectors
    settings: AssignmentSettings
    pack_key: str


def _recognition(archive: Archive, pack: str | None, preset: str | None) -> _Recognition:
    from classface_assets.orchestration.configured_resources import resolve_models
    from classface_assets.services.identity.face_matching import read_face_vectors
    from classface_assets.services.identity.presets import calibrated_settings

    info = resolve_models(pack).describe(archive.layout)
    settings = calibrated_settings(archive.layout, info, preset=_preset(preset))
    return _Recognition(_view(archive), read_face_vectors(archive.layout, info), settings, info.key)


def _view(archive: Archive) -> ArchiveView:
    from classface_assets.services.archive_view.cache import read_snapshot
    from classface_assets.services.archive_view.model import build_archive_view

    events = archive.open_ledger().events()
    return build_archive_view(read_snapshot(archive.layout.database, events), events)


def _find(archive: Archive, which: str) -> PhotoSession:
    from classface_assets.store.ledger.commands.sessions import find_session

    return find_session(archive.open_ledger().decisions(), which)


def _selection(view: ArchiveView, which: str | None, options: dict[str, Any]) -> Selection:
    from classface_assets.services.photo_sessions.membership import Selection
    from classface_assets.store.ledger.commands.sessions import find_session

    found = find_session(view.decisions, which) if which else None
    if found is None and not (options["event"] or options["school_year"] or options["class_name"]):
        raise click.UsageError("Name a session, or give --event, --school-year or --class.")
    faces = tuple(options.get("faces", ()))
    return Selection(found, options["event"], options["school_year"], options["class_name"], faces)


def _described(archive: Archive, before: PhotoSession, fields: dict[str, Any]) -> PhotoSession:
    """The session with the fields that are given."""
    from classface_assets.services.queries import find_photo

    given = {name: fields[name] for name in ("event", "school_year") if fields[name] is not None}
    if fields["classes"]:
        given["classes"] = tuple(fields["classes"])
    if fields["from_day"] or fields["to_day"]:
        given["from_day"] = _date(fields["from_day"])
        given["to_day"] = _date(fields["to_day"]) or given["from_day"]
    if fields["photo_paths"]:
        given["photos"] = tuple(find_photo(archive.layout.database, path) for path in fields["photo_paths"])
    return replace(before, **given)


def _date(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def _preset(preset: str | None) -> Preset | None:
    from classface_assets.services.identity.presets import Preset

    return None if preset is None else Preset(preset)


def _show(archive: Archive, which: str, preset: str | None, as_json: bool, as_csv: bool) -> None:
    from classface_assets.services.photo_sessions.attendance import Presence, attendance
    from classface_assets.services.photo_sessions.register import attendance_csv
    from classface_assets.store.ledger.commands.sessions import find_session

    view = _view(archive)
    found = attendance(view, find_session(view.decisions, which), _preset(preset))
    if as_json:
        echo_json(found)
        return
    if as_csv:
        click.echo(attendance_csv(found), nl=False)
        return
    click.echo(f"{found.session.title}: {found.photos:,} photos with faces, {len(found.unknown_faces):,} unknown faces")
    for state in Presence:
        names = [one.name for one in found.attendees if one.presence == state]
        if names:
            click.echo(f"{state.value} ({len(names):,}): {', '.join(names)}")


def _echo_stored(events: Sequence[int], otherwise: str) -> None:
    if events:
        shown = f"{min(events)} to {max(events)}" if len(events) > 1 else str(events[0])
        click.echo(f"Stored as events {shown}; `classface undo` takes them back one by one.")
    else:
        click.echo(f"Nothing was stored; {otherwise}.")
