"""Which photos and faces belong to a session, and to other selections of photos that calls name."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from classface_assets.core.names import normalized_name
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photo_sessions.students import ExpectedStudent, students_of_classes
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.photo_session import PhotoSession


def session_photos(view: ArchiveView, session: PhotoSession) -> pl.DataFrame:
    """The rows of `view.photos` that belong to a session, in the order in which they were taken."""
    return view.derived(("photos of a session", session), lambda: _photos_now(view, session))


def _photos_now(view: ArchiveView, session: PhotoSession) -> pl.DataFrame:
    shots = tuple(_all_shots(view.decisions, session.photos))
    inputs = view.photos, session, shots
    photos = view.reused(("photos", session.id), inputs, lambda: _find_photos(view.photos, session, shots))
    if session.classes and not session.photos and not session.event:
        return _photos_of_classes(view, session, photos)
    return photos


def _find_photos(photos: pl.DataFrame, session: PhotoSession, shots: tuple[str, ...]) -> pl.DataFrame:
    """The photos of a session, but for the choice of those that show its classes."""
    if session.event:
        photos = photos.filter(pl.col("path").str.starts_with(session.event.rstrip("/") + "/"))
    if session.school_year:
        photos = photos.filter(pl.col("school_year") == session.school_year)
    if session.from_day:
        photos = photos.filter(pl.col("taken_at").dt.date() >= session.from_day)
    if session.to_day:
        photos = photos.filter(pl.col("taken_at").dt.date() <= session.to_day)
    if session.photos:
        photos = photos.filter(pl.col("asset_id").is_in(shots))
    return photos.sort("taken_at", "path", nulls_last=True)


def session_faces(view: ArchiveView, session: PhotoSession) -> pl.DataFrame:
    """The rows of `view.faces` in the photos of a session."""
    return view.faces.join(session_photos(view, session).select("asset_id"), on="asset_id", how="semi")


def session_years(view: ArchiveView, session: PhotoSession) -> list[str]:
    """The school years of a session's photos, or the one it names."""
    if session.school_year:
        return [session.school_year]
    return sorted(session_photos(view, session)["school_year"].unique())


def session_day(view: ArchiveView, session: PhotoSession) -> date | None:
    """The first day of a session: as it was given, or on which its first photo was taken."""
    if session.from_day:
        return session.from_day
    first = session_photos(view, session)["taken_at"].min()
    return None if first is None else first.date()  # type: ignore[union-attr] # of a column of times


def expected_students(view: ArchiveView, session: PhotoSession) -> tuple[ExpectedStudent, ...]:
    """The students whom the roster lists in the session's classes, or in its school years where it names no class."""
    return students_of_classes(view, session_years(view, session), session.classes)


def _all_shots(decisions: Decisions, photos: tuple[str, ...]) -> list[str]:
    """The photos with all others of their shots, under which a changed file is found again."""
    return sorted({*photos, *(other for photo in photos for other in decisions.same_shots.others(photo))})


def _photos_of_classes(view: ArchiveView, session: PhotoSession, photos: pl.DataFrame) -> pl.DataFrame:
    """Those of the photos that show a student of the classes, or lie in a folder with the name of one."""
    years = sorted(photos["school_year"].unique())
    people = [one.person_id for one in students_of_classes(view, years, session.classes)]
    shown = view.faces.filter(pl.col("person_id").is_in([person for person in people if person]))
    names = {normalized_name(name) for name in session.classes}
    in_folder = [path for path in photos["path"] if names & {normalized_name(part) for part in path.split("/")[:-1]}]
    is_shown = pl.col("asset_id").is_in(shown["asset_id"].implode())
    return photos.filter(is_shown | pl.col("path").is_in(in_folder))


@dataclass(frozen=True)
class Selection:
    """Photos that a call names; all that is given must fit, and nothing given means the whole archive.

    Attributes:
        session: A stored session.
        event: A folder below the photos folder.
        school_year: Of the photos.
        class_name: Photos that show somebody of this class, or lie in a folder of its name.
        face_ids: Only these faces; empty: all.
    """

    session: PhotoSession | None = None
    event: str = ""
    school_year: str = ""
    class_name: str = ""
    face_ids: tuple[str, ...] = ()


def selected_faces(view: ArchiveView, selection: Selection) -> pl.DataFrame:
    """The rows of `view.faces` of a selection."""
    faces = view.faces if selection.session is None else session_faces(view, selection.session)
    if selection.event or selection.school_year or selection.class_name:
        classes = (selection.class_name,) if selection.class_name else ()
        named = PhotoSession("", "", event=selection.event.strip("/"), school_year=selection.school_year)
        photos = session_photos(view, named)
        if classes:
            photos = _photos_of_classes(view, PhotoSession("", "", classes=classes), photos)
        faces = faces.join(photos.select("asset_id"), on="asset_id", how="semi")
    return faces.filter(pl.col("face_id").is_in(list(selection.face_ids))) if selection.face_ids else faces
