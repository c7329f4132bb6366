"""What runs in a worker process of a Ray cluster: one actor, which loads the models once and works on batches."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classface_assets.core.arrays import limit_cores
from classface_assets.core.errors import UnreachableError, UserError, as_storage_error
from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.graph.blocks import BlockResult, BlockSearch
from classface_assets.orchestration.batches.ray.machines import WorkerReport, on_this_machine, report_of
from classface_assets.orchestration.batches.runner import BatchTask


@dataclass(frozen=True)
class Refused:
    """What a batch raised that a person can do something about; not every exception of ours survives a pickle."""

    error: UserError


class Worker:
    """An actor. Its methods are called one at a time."""

    def __init__(self, cores: int) -> None:
        """Keep to that number of cores."""
        limit_cores(cores)
        self._work: tuple[str, Any] = ("", None)

    def ready(self, layout: ArchiveLayout, pack: str) -> WorkerReport:
        """What this process has of an archive."""
        import ray

        return report_of(on_this_machine(layout), pack, ray.get_runtime_context().get_node_id())

    def process(self, task: Sequence[Any], items: Sequence[object]) -> list[object] | Refused:
        """Work on one batch of a task.

        Args:
            task: With a reference to the BatchTask, which is fetched once.
            items: The items of the batch.

        Returns:
            What was done, or what was raised that is no fault of the program.
        """
        work = self._fetch(task)
        try:
            return list(work.process(items, len(items)))
        except UserError as error:
            return Refused(_picklable(error))
        except OSError as error:
            sentence = as_storage_error(error, getattr(error, "filename", None) or "the archive")
            if sentence is None:
                raise
            return Refused(_picklable(sentence))

    def search(self, task: Sequence[Any], rows: np.ndarray) -> BlockResult:
        """Search one block of a BlockSearch, to which `task` has a reference."""
        search: BlockSearch = self._fetch(task)
        return search(rows)

    def _fetch(self, task: Sequence[Any]) -> Any:
        """The work behind a reference; no more than one is held, and a machine's workers share its arrays."""
        (reference,) = task
        if self._work[0] != reference.hex():
            import ray

            self._work = ("", None)
            work = ray.get(reference)
            if hasattr(work, "in_layout"):
                batch_task: BatchTask[Any, Any] = work
                work = batch_task.in_layout(on_this_machine(batch_task.layout))
            self._work = (reference.hex(), work)
        return self._work[1]


def _picklable(error: UserError) -> UserError:
    """The error itself if it survives a pickle, else one with its sentence."""
    try:
        if str(pickle.loads(pickle.dumps(error))) == str(error):
            return error
    except Exception:  # whatever its class asks for
        pass
    return UnreachableError(str(error)) if isinstance(error, UnreachableError) else UserError(str(error))
