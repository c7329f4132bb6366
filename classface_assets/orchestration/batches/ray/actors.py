"""The actors of a Ray cluster that work for this process: how many, when they are ready, and what keeps one from work.

Ray places them, starts them and notices when they die. What they do belongs in `pool`.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from classface_assets.core.errors import UnreachableError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.batches.ray.connection import RayUnusableError, connect
from classface_assets.orchestration.batches.ray.machines import WorkerReport, problem_of, report_of
from classface_assets.orchestration.batches.ray.settings import RaySettings
from classface_assets.orchestration.batches.ray.worker import Worker

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

START_TIMEOUT_S = 120.0
"""How long actors may take to start for which there is room."""
LOST_TIMEOUT_S = 600.0
"""How long to wait, once no worker is left, for Ray to have room for one."""
MOST_ATTEMPTS = 3
"""How often an actor is asked for that dies while it starts."""


@dataclass
class ActorPool:
    """The actors of one archive.

    Attributes:
        settings: How many, and of what size.
        layout: The archive, as this machine has it.
        pack: Name of the model pack.
        idle: Actors that wait for a batch.
        starting: The answer that an actor gives once it is ready.
        failed_starts: How many in a row died before they were ready.
        has_started: Whether the first of them were ready once.
        ready_at: When each of them became ready, by `time.monotonic`.
        redone_at: When each batch was done whose worker had died at it.
    """

    settings: RaySettings
    layout: ArchiveLayout
    pack: str
    idle: "list[ActorHandle]" = field(default_factory=list)
    starting: "dict[ObjectRef, ActorHandle]" = field(default_factory=dict)
    failed_starts: int = 0
    has_started: bool = False
    ready_at: list[float] = field(default_factory=list)
    redone_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Connect to the cluster. Raises UserError where that cannot be."""
        self.ray = connect(self.settings)
        self.own: WorkerReport = report_of(self.layout, self.pack, "driver")
        if problem := problem_of(self.own, self.layout, self.own):
            raise RayUnusableError(problem)

    def most(self) -> int:
        """Actors for which the cluster has room, at most as many as are wanted."""
        room = self.ray.cluster_resources()
        fits = [room.get("CPU", 0.0) / self.settings.cpus_per_actor]
        if self.settings.gpus_per_actor:
            fits.append(room.get("GPU", 0.0) / self.settings.gpus_per_actor)
        return min(int(min(fits)), self.settings.actors_max or int(min(fits)))

    def start(self, batches: int) -> None:
        """Start as many actors as there is use and room for. The first time, wait until they are ready.

        Raises:
            UserError: The cluster has no room for the fewest actors, or what a worker lacks.
        """
        most = self.most()
        if not self.has_started:
            self._require_room(most)
        wanted = max(1 if self.has_started else self.settings.actors_min, min(most, batches))
        for _ in range(wanted - len(self.idle) - len(self.starting)):
            self.ask_for_actor()
        if not self.has_started:
            self._await_first()
            self.has_started = True

    def _require_room(self, most: int) -> None:
        if most < self.settings.actors_min:
            raise RayUnusableError(
                f"The Ray cluster {self.settings.address} has room for {most} actors of "
                f"{self.settings.cpus_per_actor:g} CPUs and {self.settings.gpus_per_actor:g} GPUs, and at least "
                f"{self.settings.actors_min} are asked for; add workers, or ask for less."
            )

    def _await_first(self) -> None:
        """Wait for all actors, so that what one of them lacks is known before any work is begun."""
        least, waiting = self.settings.actors_min, list(self.starting)
        ready, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=START_TIMEOUT_S)
        for reference in ready:
            self.welcome(reference)
        while len(self.idle) < least and self.starting:
            late, _ = self.ray.wait(list(self.starting), num_returns=1, timeout=START_TIMEOUT_S)
            if not late:
                break
            self.welcome(late[0])
        if len(self.idle) < least:
            raise RayUnusableError(
                f"Of the {least} actors that the Ray cluster {self.settings.address} needs at least, {len(self.idle)} "
                f"were ready after {START_TIMEOUT_S:g} s; see what else runs there, or ask for less."
            )

    def ask_for_actor(self) -> None:
        """Ask Ray for one more actor; it is ready when there is room for it."""
        kind = self.ray.remote(num_cpus=self.settings.cpus_per_actor, num_gpus=self.settings.gpus_per_actor)(Worker)
        actor = kind.remote(self.settings.cores)
        self.starting[actor.ready.remote(self.layout, self.pack)] = actor

    def welcome(self, reference: "ObjectRef") -> None:
        """Take in an actor that is ready.

        Raises:
            UserError: It cannot do the work as this machine would.
        """
        actor = self.starting.pop(reference)
        try:
            report: WorkerReport = self.ray.get(reference)
        except self.ray.exceptions.RayActorError as error:
            self._failed_start(error)
            return
        if problem := problem_of(report, self.layout, self.own):
            self.ray.kill(actor)
            raise RayUnusableError(problem)
        self.failed_starts = 0
        self.ready_at.append(time.monotonic())
        self.idle.append(actor)

    def next_answer(self, running: "Iterable[ObjectRef]") -> "ObjectRef":
        """The next of these calls, or of actors that start, to end. Raises UnreachableError where no worker is left."""
        calls = list(running)
        ready, _ = self.ray.wait([*calls, *self.starting], num_returns=1, timeout=None if calls else LOST_TIMEOUT_S)
        if not ready:
            raise UnreachableError(
                f"The Ray cluster {self.settings.address} has had no worker left for {LOST_TIMEOUT_S:g} s; start some, "
                "and run again: finished work is not lost."
            )
        reference: ObjectRef = ready[0]
        return reference

    def _failed_start(self, error: Exception) -> None:
        """Ask for another actor in place of one that died while it started. Raises UserError after some of them."""
        self.failed_starts += 1
        cause = getattr(error, "cause", None) or error
        if "No module named" in str(error) or "AttributeError" in str(error):
            raise RayUnusableError(
                f"A Ray worker cannot start classface ({last_line(error)}); install the same version of it on all "
                "machines, with the extra ray, and start Ray there again."
            ) from None
        if self.failed_starts >= MOST_ATTEMPTS:
            raise RayUnusableError(
                f"{self.failed_starts} Ray workers ended while they started ({last_line(cause)}); see their memory "
                "and Ray's logs there."
            ) from None
        self.ask_for_actor()

    def close(self) -> None:
        """End all actors."""
        for actor in [*self.idle, *self.starting.values()]:
            self.ray.kill(actor)
        self.idle, self.starting = [], {}


def last_line(error: BaseException) -> str:
    """What an error says at its end, where Ray has the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200].rstrip(".") if lines else type(error).__name__
