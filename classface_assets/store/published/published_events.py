"""The decisions of a ledger as far as the published database has them: the last resort where there is no backup.

The rows of rosters are not published, nor is what was decided of people who were erased since.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from classface_assets.store.files.duckdb import DatabaseError, query_database
from classface_assets.store.ledger.payloads import payload_error
from classface_assets.store.model.events import Event

_EVENTS_SQL = "SELECT id, created_at, actor, kind, payload FROM face_assignment_events ORDER BY id"


def published_events(database: Path) -> list[Event]:
    """The events that can be put back from the published database, oldest first; none where it cannot be read."""
    try:
        rows = query_database(database, _EVENTS_SQL)
    except DatabaseError:
        return []
    found = [_event(*row) for row in rows.iter_rows()]
    return [event for event in found if payload_error(event.kind, event.payload) is None]


def _event(number: int, at: datetime, actor: str, kind: str, payload: str) -> Event:
    content: dict[str, Any] = json.loads(payload)
    if isinstance(content.get("entries"), int):
        content["entries"] = []
    return Event(number, at.replace(tzinfo=UTC), actor, kind, content)
