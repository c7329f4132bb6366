"""Who works through the batches of an asset: this process, or the actors of a Ray cluster (`ray.pool`).

What the work is belongs in the tasks beside this module. Nothing here knows Ray or Dagster.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from classface_assets.core.layout import ArchiveLayout

ItemT = TypeVar("ItemT")
DoneT = TypeVar("DoneT")
ItemT_contra = TypeVar("ItemT_contra", contravariant=True)
DoneT_co = TypeVar("DoneT_co", covariant=True)


class BatchTask(Protocol[ItemT_contra, DoneT_co]):
    """Work on many items, whose results are written in parts. It can be pickled.

    A batch that is worked on a second time writes the same part again, under the same name.
    """

    @property
    def layout(self) -> ArchiveLayout:
        """Where photos, data and models lie."""
        ...

    def in_layout(self, layout: ArchiveLayout) -> "BatchTask[ItemT_contra, DoneT_co]":
        """The same work on a machine that has its models in another folder."""
        ...

    def process(self, items: Sequence[ItemT_contra], a_part: int) -> Iterator[DoneT_co]:
        """Work on some items, on all cores that this process may use.

        Args:
            items: The items, each once.
            a_part: After so many of them their results are written.

        Yields:
            What was done, after each part is written.
        """
        ...


class BatchRunner(Protocol):
    """Works through items in batches."""

    @property
    def place(self) -> str:
        """Where, as a few words for the log; empty: in this process."""
        ...

    def run(self, task: BatchTask[ItemT, DoneT], items: Sequence[ItemT], a_part: int) -> Iterator[DoneT]:
        """Work on all items, in any order.

        Args:
            task: The work.
            items: The items, each once.
            a_part: As in `BatchTask.process`.

        Yields:
            What was done, after each part is written.

        Raises:
            UserError: What a task raises, and what keeps workers from it.
        """
        ...


class InProcessRunner:
    """Works in this process."""

    place = ""

    def run(self, task: BatchTask[ItemT, DoneT], items: Sequence[ItemT], a_part: int) -> Iterator[DoneT]:
        """See BatchRunner."""
        yield from task.process(items, a_part)
