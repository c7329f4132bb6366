"""The desk that people label at: all that a request needs of one archive, made once for the server."""

import copy
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request

from classface_assets.core.errors import UserError
from classface_assets.review.faces.image_responses import ImageLoader
from classface_assets.review.faces.similar_faces import FaceSimilarity, VectorCache
from classface_assets.review.faces.uploads import UploadAnalyzer
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.cache import ArchiveViewCache
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.model.face_ref import FaceRef

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models
    from classface_assets.review.runs.manager import RunManager

T = TypeVar("T")


class ReviewContext:
    """One archive with its ledger, its pictures and its models."""

    def __init__(self, archive: "Archive", models: "Models") -> None:
        """Raises PackError for a model pack that is not there."""
        self.archive, self.models = archive, models
        self.layout, self.ledger = archive.layout, archive.open_ledger()
        self.pack = models.describe(self.layout)
        self.images = ImageLoader(self.layout, self.pack.detector_version)
        self._views = ArchiveViewCache(self.layout.database, self.ledger, self._keep_nothing)
        self._vectors = VectorCache(self.layout, self.pack)
        self.work = _created_once(self._open_work)
        self.eyes = UploadAnalyzer(lambda: models.load(self.layout))

    def of(self, who: str) -> "ReviewContext":
        """The same desk, with somebody at it: what they say is noted as theirs."""
        if not who:
            return self
        theirs = copy.copy(self)
        theirs.ledger = replace(self.ledger, actor=who)
        return theirs

    def view(self) -> ArchiveView:
        """What is known right now. Raises DatabaseError, LedgerError."""
        return self._views.now()

    def recent_view(self) -> ArchiveView | None:
        """What was known within the last second, if anybody asked; nothing is read or waited for."""
        return self._views.recent()

    def get_ready(self) -> None:
        """Read and import what the first pages need, so that nobody waits for it."""
        with suppress(UserError):  # told to whoever asks
            self.view()
            self.work().get_ready()

    def erase(self, person_id: str) -> dict[str, Any]:
        """Erase a person from everything, this server's memory too; the receipt."""
        try:
            receipt, run_id = self.work().forget(person_id)
        finally:
            self._keep_nothing()
            self._views.forget()
        return receipt | {"runId": run_id}

    def _keep_nothing(self) -> None:
        self.images.forget()
        self._vectors.forget()

    def head_report(self) -> dict[str, Any]:
        """What was told of the last training; empty before the first."""
        file = self.layout.head.with_suffix(".json")
        return dict(json.loads(file.read_text())) if file.exists() else {}

    def likeness(self) -> FaceSimilarity:
        """Who looks like whom, by the vectors of all faces, which are read once for a published database."""
        return FaceSimilarity(self.view(), self._vectors.now(), self._vectors)

    def _open_work(self) -> "RunManager":
        """The Dagster runs of the archive; importing what they need takes seconds, so it is done when first asked."""
        from classface_assets.review.runs.manager import RunManager

        return RunManager(self.archive, self.models)


def _created_once(make: Callable[[], T]) -> Callable[[], T]:
    """What is made when first asked for, and then is the same for everybody at the desk."""
    made: list[T] = []
    lock = threading.Lock()

    def get() -> T:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get


def context_of(request: Request) -> ReviewContext:
    """The desk of the app that was asked, with whoever asks at it."""
    desk: ReviewContext = request.app.state.desk
    return desk.of(request.state.session.who)


async def get_context(request: Request) -> ReviewContext:
    """The same for `Depends`, which takes a thread for what is not async."""
    return context_of(request)


def face_refs(view: ArchiveView, face_ids: list[str]) -> list[FaceRef]:
    """The faces as the ledger keeps them. Raises NotFoundError for one that is not there."""
    refs = view.face_refs(face_ids)
    if len(refs) < len(face_ids):
        raise NotFoundError("face", min(set(face_ids) - {ref.face_id for ref in refs}))
    return refs
