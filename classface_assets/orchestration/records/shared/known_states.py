"""Which schedules and sensors are on, read for all archives at once where one archive is asked about after another.

What Dagster's page asks of a code location holds two questions for each of its archives, and for each of them the
database looks through the rows of all archives: of those is no index by archive.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus
from dagster._core.storage.schedules.migration import SCHEDULE_JOBS_SELECTOR_ID
from dagster._core.storage.schedules.schema import InstigatorsTable
from dagster._serdes import deserialize_value

from classface_assets.orchestration.records.shared.known_tables import KnownTables

SECONDS = 1.0
"""For so long an answer counts that another process may have made untrue."""
StateKey = tuple[str, InstigatorType]
"""The selector of an archive's repository, and of what."""


@dataclass(frozen=True)
class ReadStates:
    """The states of all archives at one moment.

    Attributes:
        moment: By the clock that never goes back.
        writes: Stands for all that this process had written before.
        states: Of what was asked → its states.
        by_row: Row as it is stored → the state.
    """

    moment: float
    writes: object
    states: Mapping[StateKey, Sequence[InstigatorState]]
    by_row: Mapping[str, InstigatorState]


class KnownStates(KnownTables):
    """The first archive is asked about alone; all are read with the second, if that follows at once.

    What this process writes is seen at once. Questions about all archives, such as those of Dagster's daemon, and
    about some statuses are answered by the database.
    """

    _writes: object = object()
    _read: ReadStates | None = None
    _last: tuple[str | None, float] = (None, 0.0)

    def all_instigator_state(
        self,
        repository_origin_id: str | None = None,
        repository_selector_id: str | None = None,
        instigator_type: InstigatorType | None = None,
        instigator_statuses: set[InstigatorStatus] | None = None,
    ) -> Sequence[InstigatorState]:
        """The states of all schedules and sensors, or of those that are asked about."""
        if (
            repository_selector_id
            and instigator_type
            and not instigator_statuses
            and self._another_follows(repository_selector_id)
            and self.has_instigators_table()
            and self.has_built_index(SCHEDULE_JOBS_SELECTOR_ID)
        ):
            return list(self._all_states().get((repository_selector_id, instigator_type), ()))
        return super().all_instigator_state(
            repository_origin_id, repository_selector_id, instigator_type, instigator_statuses
        )

    def add_instigator_state(self, state: InstigatorState) -> InstigatorState:
        """Record the state of a schedule or sensor of which none is recorded."""
        try:
            return super().add_instigator_state(state)
        finally:
            self._writes = object()

    def update_instigator_state(self, state: InstigatorState) -> InstigatorState:
        """Record another state."""
        try:
            return super().update_instigator_state(state)
        finally:
            self._writes = object()

    def delete_instigator_state(self, origin_id: str, selector_id: str) -> None:
        """Remove a state."""
        try:
            super().delete_instigator_state(origin_id, selector_id)
        finally:
            self._writes = object()

    def wipe(self) -> None:
        """Remove everything."""
        try:
            super().wipe()
        finally:
            self._writes = object()

    def _another_follows(self, repository: str) -> bool:
        now = time.monotonic()
        last, moment = self._last
        self._last = (repository, now)
        another = last not in (None, repository) and now - moment <= SECONDS
        return another or self._current(now) is not None

    def _current(self, now: float) -> ReadStates | None:
        read = self._read
        return read if read and read.writes is self._writes and now - read.moment <= SECONDS else None

    def _all_states(self) -> Mapping[StateKey, Sequence[InstigatorState]]:
        read = self._current(time.monotonic()) or self._read_all()
        return read.states

    def _read_all(self) -> ReadStates:
        moment, writes = time.monotonic(), self._writes
        columns = InstigatorsTable.c
        rows = self.execute(sa.select(columns.repository_selector_id, columns.instigator_type, columns.instigator_body))
        known = self._read.by_row if self._read else {}
        by_row: dict[str, InstigatorState] = {}
        states: dict[StateKey, list[InstigatorState]] = {}
        for repository, kind, row in rows:
            by_row[row] = known.get(row) or deserialize_value(row, InstigatorState)
            states.setdefault((repository, InstigatorType(kind)), []).append(by_row[row])
        self._read = ReadStates(moment, writes, states, by_row)
        return self._read
