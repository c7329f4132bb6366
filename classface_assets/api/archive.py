"""An archive: its faces, people and assignments as Polars frames, and decisions written to its ledger."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.schemas import is_noise
from classface_assets.core.school_years.names import first_year

if TYPE_CHECKING:
    from classface_assets.services.archive_view.cache import ArchiveViewCache
    from classface_assets.services.archive_view.model import ArchiveView
    from classface_assets.store.ledger.ledger import Ledger
    from classface_assets.store.ledger.transaction import CommandResult
    from classface_assets.store.model.face_ref import FaceRef

Folder = str | os.PathLike[str]


class UnknownFaceError(UserError):
    """No face, or cluster, has that id; who was erased has none any more."""


@dataclass(frozen=True)
class LabelResult:
    """What a decision did.

    Attributes:
        person_id: the person that it concerns; None if it concerns no particular person.
        person_name: what they are called.
        faces: how many faces changed.
        notes: sentences on what it overrules or what looks odd.
        event_ids: the events that it appended to the ledger, by which `undo` takes it back.
    """

    person_id: str | None
    person_name: str | None
    faces: int
    notes: tuple[str, ...]
    event_ids: tuple[int, ...]


class Archive:
    """The published state of an archive with all decisions so far, as the review server shows it.

    Frames are of the moment: a decision is in them at once, and erased people are in none of them. What a run computes
    (albums, the database) takes decisions in at the next `classface run`.

    Args:
        data: the data folder or URL; by default CLASSFACE_DATA, or `data`.
        photos: the photos folder or URL; by default CLASSFACE_PHOTOS, or `photos` in the data folder.
        local: where database and ledger are if the data are at a URL, as `--local`.
        pack: the model pack whose embeddings are read; by default CLASSFACE_PACK, or `builtin`.
        actor: who the ledger records as deciding; by default CLASSFACE_ACTOR, or the user.

    Example:
        >>> from classface_assets.api import Archive
        >>> archive = Archive("data")
        >>> archive.faces().select("face_id", "school_year", "cluster_id", "person_name").height > 0
        True
        >>> result = archive.label("Anna Weiss", archive.clusters()["cluster_id"][0])
        >>> result.person_name, archive.people()["name"].to_list()
        ('Anna Weiss', ['Anna Weiss'])
        >>> archive.undo(result)
        >>> archive.people().height
        0
    """

    def __init__(
        self,
        data: Folder | None = None,
        photos: Folder | None = None,
        *,
        local: Folder | None = None,
        pack: str | None = None,
        actor: str = "",
    ) -> None:
        from classface_assets.orchestration.configured_resources import resolve_archive, resolve_models

        folders = (None if folder is None else os.fspath(folder) for folder in (photos, data, local))
        self._archive = resolve_archive(*folders)
        self._models = resolve_models(pack, self._archive)
        self._actor = actor

    @property
    def pack(self) -> str:
        """The name or path of the model pack in use."""
        return self._models.pack

    def faces(self, school_year: str | None = None) -> pl.DataFrame:
        """Every face: one row each, sorted by face_id.

        Args:
            school_year: only faces of photos of this school year, as 2019-2020.

        Returns:
            face_id, asset_id (of the photo), path, school_year, year (its first calendar year), taken_at, photo_width,
            photo_height, bbox_x, bbox_y, bbox_w, bbox_h (pixels of the upright photo), detection_confidence,
            quality_score, cluster_id, person_id, person_name, assignment_score, assignment_reason, created_at, and
            confirmed: whether a person decided who it is.

        Raises:
            DatabaseError: nothing is published yet.
        """
        rows = self._view().faces
        if school_year is not None:
            rows = rows.filter(pl.col("school_year") == school_year)
        years = {name: first_year(name) for name in rows["school_year"].unique()}
        return rows.with_columns(
            pl.col("school_year").replace_strict(years, return_dtype=pl.Int32, default=None).alias("year")
        )

    def people(self) -> pl.DataFrame:
        """Everybody with a name, seen or not, by name.

        Returns:
            id, name, status (active, hidden or merged), kind, merged_into_id, created_at, updated_at, face_count,
            confirmed_count, prototype_count, school_years.
        """
        return self._view().persons.drop("folded")

    def assignments(self) -> pl.DataFrame:
        """Who each face is.

        Returns:
            face_id, cluster_id (`person_…`, `unknown_cluster_…`, or `unknown_noise_…` for a face in no cluster),
            person_id, person_name, assignment_score, assignment_reason, confirmed.
        """
        columns = ("face_id", "cluster_id", "person_id", "person_name", "assignment_score", "assignment_reason")
        return self._view().faces.select(*columns, "confirmed")

    def clusters(self, include_people: bool = False) -> pl.DataFrame:
        """The clusters of unknown people, largest first; single faces are none.

        Args:
            include_people: also the faces of each person, as a cluster `person_…`.

        Returns:
            cluster_id, size, mean_quality, mean_score, sample_faces, school_years, person_id, person_name.
        """
        rows = self._view().clusters.filter(~is_noise())
        return rows if include_people else rows.filter(pl.col("person_id").is_null())

    def embeddings(self) -> pl.DataFrame:
        """The embeddings of the pack in use: face_id, and vector, an Array of float32 of unit length.

        Faces without one, as of a pack that was not run, are left out.
        """
        from classface_assets.vision.embedding import embedding_schema

        facts = self._archive.catalog(self._models)
        if not facts.faces.height:
            return pl.DataFrame(schema=embedding_schema(1))
        schema = embedding_schema(facts.vectors.shape[1])
        found = pl.DataFrame({"face_id": facts.faces["face_id"], "vector": facts.vectors}, schema=schema)
        return found.join(self._view().faces.select("face_id"), on="face_id", how="semi", maintain_order="left")

    def label(self, name: str, faces: str | Sequence[str]) -> LabelResult:
        """Decide that faces are the person of that name, who is created if nobody has it.

        Args:
            name: a name, a display name as "Anna Weiss (5c, 2011)", or a person's id.
            faces: ids of faces or of clusters.

        Raises:
            UnknownFaceError: there is no such face or cluster, or it was erased.
            ConflictError: several people may be meant.
        """
        ids = [faces] if isinstance(faces, str) else list(faces)
        refs = self._face_refs(ids)
        how = "cluster" if {ref.face_id for ref in refs} != set(ids) else "hand"
        return _result(self._ledger.label(name, refs, how))

    def confirm(self, person: str, faces: str | Sequence[str]) -> LabelResult:
        """Decide that faces are this person, who must be known. Raises as `label`."""
        return _result(self._ledger.confirm(person, self._face_refs(faces)))

    def reject(self, person: str, faces: str | Sequence[str]) -> LabelResult:
        """Decide that faces are not this person; they are never assigned to them again. Raises as `label`."""
        return _result(self._ledger.reject(person, self._face_refs(faces)))

    def remove_name(self, faces: str | Sequence[str]) -> LabelResult:
        """Remove the label of faces; they may be anybody's again. Raises as `label`."""
        return _result(self._ledger.remove_labels(self._face_refs(faces)))

    def undo(self, decision: LabelResult | int) -> None:
        """Take a decision back: all of its events, or the event of that number.

        Raises:
            UnknownError: it is not in force.
            ConflictError: taking it back would leave two people of one name.
        """
        self._ledger.undo_all(decision.event_ids if isinstance(decision, LabelResult) else [decision])

    @cached_property
    def _ledger(self) -> "Ledger":
        from dataclasses import replace

        ledger = self._archive.open_ledger()
        self._archive.backup_scheduler.start()
        return replace(ledger, actor=self._actor) if self._actor else ledger

    @cached_property
    def _views(self) -> "ArchiveViewCache":
        from classface_assets.services.archive_view.cache import ArchiveViewCache

        archive = self._archive
        return ArchiveViewCache(archive.layout.database, self._ledger, synchronize=archive.synchronize)

    def _view(self) -> "ArchiveView":
        return self._views.current()

    def _face_refs(self, ids: str | Sequence[str]) -> "list[FaceRef]":
        """The faces of these ids, and of the clusters of these ids."""
        view = self._view()
        face_ids: list[str] = []
        for one in [ids] if isinstance(ids, str) else ids:
            found = [one] if view.face(one) else view.faces_of(one)["face_id"].to_list()
            if not found:
                raise UnknownFaceError(f"There is no face or cluster {one} in the archive.")
            face_ids += found
        return view.face_refs(list(dict.fromkeys(face_ids)))


def _result(done: "CommandResult") -> LabelResult:
    person = done.subject
    return LabelResult(
        person_id=person.id if person else None,
        person_name=person.display_name if person else None,
        faces=done.faces,
        notes=done.notes,
        event_ids=done.events,
    )
