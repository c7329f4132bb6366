"""The tags by which runs belong to an update: those of sensors and schedules as those of `classface run`."""

from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.settings.archive_names import names_of
from classface_assets.orchestration.updates.record import UPDATE_TAG, new_update_id

BY_TAG = "classface/by"
AUTOMATIC = "automatic"
"""The sensor of automation conditions, and what the runs that it starts have in BY_TAG."""


def update_tags(by: str, archive: Archive, models: Models, update_id: str = "") -> dict[str, str]:
    """The tags of the runs of one update.

    Args:
        by: The sensor or schedule that starts them.
        archive: The archive.
        models: The model pack.
        update_id: Of an update that they go on with; "" for a new one.
    """
    layout = archive.layout
    return {
        UPDATE_TAG: update_id or new_update_id(),
        BY_TAG: by,
        "classface/pack": models.pack,
        "classface/photos": str(layout.photos),
        "classface/data": str(layout.data),
        **names_of(layout).tags,
    }
