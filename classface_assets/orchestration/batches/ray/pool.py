"""Spreads batches over the actors of a Ray cluster, and gives the batch of one that died to another.

Each actor has one batch at a time. In place of one that died another is asked for; until Ray has room for it, the
others go on. A batch may be worked on twice: it then writes the same part twice, under one name.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.graph.blocks import BlockResult, BlockSearch
from classface_assets.orchestration.batches.ray.actors import ActorPool, last_line
from classface_assets.orchestration.batches.ray.connection import on_disconnect
from classface_assets.orchestration.batches.ray.settings import RaySettings
from classface_assets.orchestration.batches.ray.worker import Refused
from classface_assets.orchestration.batches.runner import BatchTask, DoneT, ItemT

if TYPE_CHECKING:
    import numpy as np
    from ray import ObjectRef
    from ray.actor import ActorHandle

MOST_ATTEMPTS = 3
"""How often a batch is begun whose actor dies."""
SMALLEST_SHARE = 8
"""The last batches are smaller, down to this share of a part, so that all actors finish at about the same time."""

_runners: dict[tuple[RaySettings, ArchiveLayout, str], "RayRunner"] = {}
on_disconnect(_runners.clear)


@dataclass
class Batch:
    """Arguments of one call, and how often it was begun."""

    arguments: tuple[Any, ...]
    attempts: int = 0


@dataclass(frozen=True)
class RayRunner:
    """A BatchRunner on the actors of a pool; and a BlockMap."""

    pool: ActorPool

    @property
    def place(self) -> str:
        """See BatchRunner."""
        settings = self.pool.settings
        return f"the Ray cluster {settings.address}, {settings.cpus_per_actor:g} CPUs an actor"

    def run(self, task: BatchTask[ItemT, DoneT], items: Sequence[ItemT], a_part: int) -> Iterator[DoneT]:
        """See BatchRunner."""
        actors = max(1, min(self.pool.most(), -(-len(items) // a_part)))
        sizes = batch_sizes(len(items), a_part, actors)
        ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
        batches = [(items[end - size : end],) for end, size in zip(ends, sizes, strict=True)]
        for _, done in self._spread(lambda actor, *given: actor.process.remote(*given), task, batches):
            if isinstance(done, Refused):
                raise done.error
            yield from done

    def search(self, search: BlockSearch, blocks: "Sequence[np.ndarray]") -> list[BlockResult]:
        """Search blocks; see BlockMap."""
        batches = [(rows,) for rows in blocks]
        found = dict(self._spread(lambda actor, *given: actor.search.remote(*given), search, batches))
        return [found[number] for number in range(len(blocks))]

    def _spread(
        self, call: "Callable[..., ObjectRef]", work: object, batches: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Any]]:
        """Call actors with each batch.

        Args:
            call: Begins a call of an actor with the work's reference and a batch.
            work: Sent to each machine once.
            batches: The arguments.

        Yields:
            The number of each batch and what came of it, in the order in which they end.
        """
        pool, ray = self.pool, self.pool.ray
        pool.start(len(batches))
        reference = ray.put(work)
        waiting = deque((number, Batch(arguments)) for number, arguments in enumerate(batches))
        running: dict[ObjectRef, tuple[ActorHandle, int, Batch]] = {}
        try:
            while waiting or running:
                while waiting and pool.idle:
                    number, batch = waiting.popleft()
                    actor = pool.idle.pop()
                    running[call(actor, [reference], *batch.arguments)] = (actor, number, batch)
                ready = pool.next_answer(running)
                if ready in pool.starting:
                    pool.welcome(ready)
                    continue
                actor, number, batch = running.pop(ready)
                try:
                    result = ray.get(ready)
                except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as error:
                    waiting.appendleft((number, self._begin_again(batch, error)))
                    ray.kill(actor)
                    pool.ask_for_actor()
                    continue
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                pool.idle.append(actor)
                if batch.attempts:
                    pool.redone_at.append(time.monotonic())
                yield number, result
        finally:
            for actor, _, _ in running.values():  # the run ends here; nobody waits for what they do
                ray.kill(actor)

    def _begin_again(self, batch: Batch, error: Exception) -> Batch:
        """The batch for another attempt. Raises UserError where it had enough of them."""
        batch.attempts += 1
        if batch.attempts >= MOST_ATTEMPTS:
            raise UserError(
                f"{MOST_ATTEMPTS} Ray workers ended one after the other at the same work ({last_line(error)}); see "
                "their memory, give each more CPUs (ray_cpus_per_actor), and run again: finished work is not lost."
            )
        return batch


def ray_runner(settings: RaySettings, layout: ArchiveLayout, pack: str) -> RayRunner:
    """The runner of an archive: its actors stay until the process disconnects, for all school years of a run.

    Args:
        settings: The cluster.
        layout: The archive.
        pack: Name of the model pack.

    Raises:
        UserError: The cluster cannot be used.
    """
    key = (settings, layout, pack)
    if key not in _runners:
        for other in _runners.values():  # of another pack, say: their actors take the room
            other.pool.close()
        _runners.clear()
        _runners[key] = RayRunner(ActorPool(settings, layout, pack))
    return _runners[key]


def batch_sizes(total: int, a_part: int, actors: int) -> list[int]:
    """The sizes of batches of so many items: each a part, but smaller towards the end.

    Args:
        total: Number of items.
        a_part: Greatest size.
        actors: How many batches are worked on at once.

    >>> batch_sizes(100, 32, 2)
    [25, 18, 14, 10, 8, 6, 4, 4, 4, 4, 3]
    """
    sizes: list[int] = []
    while left := total - sum(sizes):
        sizes.append(min(left, max(1, min(a_part, left // (2 * actors)), -(-a_part // SMALLEST_SHARE))))
    return sizes
