"""Records of schedules and sensors in PostgreSQL; to be imported where the extra `postgres` is installed only."""

from dagster_postgres import PostgresScheduleStorage

from classface_assets.orchestration.records.shared.known_states import KnownStates


class KnownTablesPostgresStorage(KnownStates, PostgresScheduleStorage):
    """Outside of Dagster's web server each question is a connection, for which PostgreSQL starts a process."""

    @classmethod
    def like(cls, storage: PostgresScheduleStorage) -> "KnownTablesPostgresStorage":
        """One on the same tables, which that one made where they were missing."""
        return cls(
            storage.postgres_url,
            should_autocreate_tables=False,
            inst_data=storage.inst_data,
            token_provider=storage._token_provider,
        )
