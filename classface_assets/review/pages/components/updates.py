"""What the header of every page shows of updates."""

from typing import TYPE_CHECKING, Any

from classface_assets.core.languages import gettext, ngettext
from classface_assets.orchestration.updates.record import UpdateRecord, UpdateState
from classface_assets.review.pages.components.album_files import has_albums
from classface_assets.review.runs.update_texts import STATES, describe_update

if TYPE_CHECKING:
    from classface_assets.review.context import ReviewContext


def header_update(context: "ReviewContext") -> dict[str, Any]:
    """What the header of every page shows: the update that goes on, or the new photos that wait for one.

    Returns:
        `running`, `sentence`, `percent`, `began` of the last update or null, `albums` (whether there are any).
    """
    record = context.updates.latest()
    running = record is not None and record.in_progress
    new = None if running else context.updates.new_photos()
    shown = describe_update(record) if record else None
    return {
        "running": running,
        "percent": shown["percent"] if shown and running else None,
        "sentence": shown["headline"] if shown and running else _waiting_sentence(new, record),
        "failed": record is not None and record.state in (UpdateState.FAILED, UpdateState.KILLED),
        "new_photos": new or 0,
        "albums": has_albums(context.layout),
    }


def _waiting_sentence(new: int | None, record: UpdateRecord | None) -> str:
    if record is not None and record.state in (UpdateState.FAILED, UpdateState.KILLED):
        return gettext(STATES[record.state])
    if new:
        return ngettext("%(num)s new photo since the last update.", "%(num)s new photos since the last update.", new)
    return gettext("No new photos since the last update.") if new == 0 else ""
