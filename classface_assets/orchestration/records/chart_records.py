"""The database of Dagster's records as its Helm chart writes it into `dagster.yaml`: in parts, without a URL."""

import os
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa


def database_of_chart(settings: Mapping[str, Any], driver: str) -> str | None:
    """The URL of the PostgreSQL database that the settings describe in parts; None where they do not.

    Args:
        settings: The content of `dagster.yaml`.
        driver: SQLAlchemy's name of the driver.
    """
    config = (settings.get("run_storage") or {}).get("config") or {}
    if config.get("postgres_url"):
        return str(_resolved(config["postgres_url"]))
    parts = config.get("postgres_db")
    if not parts:
        return None
    url = sa.URL.create(
        driver,
        username=_resolved(parts.get("username")),
        password=_resolved(parts.get("password")),  # libpq's PGPASSWORD counts where the variable is not set
        host=_resolved(parts.get("hostname")),
        port=int(_resolved(parts.get("port")) or 5432),
        database=_resolved(parts.get("db_name")),
        query={name: str(value) for name, value in (parts.get("params") or {}).items()},
    )
    return url.render_as_string(hide_password=False)


def _resolved(value: object) -> str | None:
    """A value of the settings, or of the environment variable that it names."""
    if isinstance(value, Mapping):
        return os.environ.get(str(value.get("env", ""))) or None
    return None if value is None else str(value)
