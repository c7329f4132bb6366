"""What a request needs of the archive: its ledger, images, models and runs, created once for the server."""

import copy
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
from fastapi import Request

from classface_assets.core.errors import UserError
from classface_assets.identity.evaluation.progress import PROGRESS_COLUMNS
from classface_assets.identity.settings import AssignmentSettings, ClusteringMethod
from classface_assets.review.faces.image_responses import ImageLoader
from classface_assets.review.faces.similar_faces import FaceSimilarity, VectorCache
from classface_assets.review.faces.uploads import UploadAnalyzer
from classface_assets.review.problems import NotFoundError
from classface_assets.review.runs.dagster_page import DAGSTER_UI, DagsterPage
from classface_assets.review.runs.updates import UpdateCenter
from classface_assets.services.archive_view.cache import ArchiveViewCache
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.exports.jobs import ExportJobs
from classface_assets.services.identity.presets import Preset, calibrated_settings, preset_values
from classface_assets.services.photo_sessions.attendance import attendances
from classface_assets.store.artifacts.checkpoints import load_report
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.store.files.parquet import read_parquet_or_empty
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.published.queries import require_published

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models
    from classface_assets.review.runs.manager import RunManager
    from classface_assets.store.erasure.receipt import ErasureReceipt

T = TypeVar("T")


class ReviewContext:
    """One archive as the review server uses it: ledger, images, models and runs."""

    def __init__(self, archive: "Archive", models: "Models") -> None:
        """Open the archive's ledger and read which model pack is in use.

        Raises:
            PackError: The model pack does not exist.
            LedgerError: The ledger is not the one that the archive knows, or cannot be used.
        """
        self.archive, self.models = archive, models
        self.layout, self.ledger = archive.layout, archive.open_ledger()
        self.ledger.require_known()
        self.pack = models.describe(self.layout)
        self.images = ImageLoader(self.layout, self.pack.detector_version)
        self.upload_analyzer = UploadAnalyzer(lambda: models.load(self.layout))
        self.run_manager = _created_once(self._create_run_manager)
        self.updates = UpdateCenter(archive, models)
        self.dagster_page = DagsterPage(os.environ.get("CLASSFACE_DAGSTER_URL") or DAGSTER_UI)
        self._views = ArchiveViewCache(self.layout.database, self.ledger, self._clear_caches, archive.synchronize)
        self.export_jobs = ExportJobs()
        self._vectors = VectorCache(self.layout, self.pack)

    def for_actor(self, actor: str) -> "ReviewContext":
        """The same context, whose ledger records this actor; an empty name is the operating system's user."""
        if not actor:
            return self
        context = copy.copy(self)
        context.ledger = replace(self.ledger, actor=actor)
        return context

    def school_year(self, year: str) -> SchoolYearStore:
        """A school year, with the faces of the detector in use."""
        return SchoolYearStore(self.layout, self.pack.detector_version, year)

    def view(self) -> ArchiveView:
        """The published faces with all decisions up to now.

        Raises:
            DatabaseError: Nothing is published yet, or the file cannot be read.
            LedgerError: The ledger cannot be read.
        """
        self._views.look()
        if not self.layout.database.exists():  # before the ledger is opened, which would make its folder
            require_published(self.layout.database)
        return self._views.current()

    def recent_view(self) -> ArchiveView | None:
        """The view of the last second, if a request needed one; reads nothing and waits for nothing."""
        return self._views.recent()

    def face_similarity(self) -> FaceSimilarity:
        """Similarity search over the current view; the vectors are read once for each published database."""
        return FaceSimilarity(self.view(), self._vectors.current(), self._vectors)

    def settings(self, preset: Preset | None = None, method: ClusteringMethod | None = None) -> AssignmentSettings:
        """The settings of the archive: of its pack, calibrated on its labels, and changed by a preset."""
        return calibrated_settings(self.layout, self.pack, method, preset)

    def preset_values(self, preset: Preset | None) -> dict[str, Any]:
        """The run config that a preset comes to in this archive."""
        return preset_values(self.settings(), preset)

    def head_report(self) -> dict[str, Any]:
        """The report of the last training of the projection head; empty before the first."""
        return load_report(self.layout.head)

    def labelling_progress(self) -> pl.DataFrame:
        """PROGRESS_COLUMNS as the asset `evaluation` measured them last; empty before that."""
        return read_parquet_or_empty(self.layout.table("labelling_progress"), PROGRESS_COLUMNS)

    def import_runs(self) -> None:
        """Import what lists the runs, for which their first page would wait."""
        self.run_manager().import_storage()

    def warm_up(self) -> None:
        """Read and import what the first pages need, before somebody waits for it."""
        with suppress(UserError):  # the request that needs it reports the error
            view = self.view()
            self.ledger.read_people()
            attendances(view, list(view.decisions.sessions.values()))
            self.run_manager().warm_up()
            self._vectors.current()

    def erase(self, person_id: str) -> tuple["ErasureReceipt", str]:
        """Erase a person from the archive and from this server's memory.

        Returns:
            The receipt, and the id of the run that recomputes the identities.
        """
        try:
            return self.run_manager().erase(person_id)
        finally:
            self._clear_caches()
            self._views.clear()

    def _clear_caches(self) -> None:
        """Drop images, vectors and names: they may show somebody who was erased."""
        self.ledger.known.forget()
        self.images.clear()
        self.export_jobs.clear()
        self._vectors.clear()

    def _create_run_manager(self) -> "RunManager":
        """The manager of the archive's runs; imported when it is needed, which tests of other pages never do."""
        from classface_assets.review.runs.manager import RunManager

        return RunManager(self.archive, self.models)


def _created_once(create: Callable[[], T]) -> Callable[[], T]:
    """A function that creates its result at the first call, in whichever thread, and then returns the same one."""
    created: list[T] = []
    lock = threading.Lock()

    def get() -> T:
        with lock:
            if not created:
                created.append(create())
            return created[0]

    return get


def context_of(request: Request) -> ReviewContext:
    """The app's context, for the actor of the request."""
    context: ReviewContext = request.app.state.context
    return context.for_actor(request.state.session.actor)


async def get_context(request: Request) -> ReviewContext:
    """`context_of` as a dependency; async, because FastAPI starts a thread for a plain function."""
    return context_of(request)


def face_refs(view: ArchiveView, face_ids: list[str]) -> list[FaceRef]:
    """The faces as the ledger stores them: id, photo and box.

    Raises:
        NotFoundError: The view does not have one of them.
    """
    refs = view.face_refs(face_ids)
    if len(refs) < len(face_ids):
        raise NotFoundError("face", min(set(face_ids) - {ref.face_id for ref in refs}))
    return refs
