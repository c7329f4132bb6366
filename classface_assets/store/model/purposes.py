"""The purposes for which a person may be shown, and who may be shown for what.

Whether a photo may be shown follows from the people in it; that belongs elsewhere.
"""

from enum import StrEnum

ALL_PURPOSES = "all"
"""In events and rosters: every purpose at once."""


class Purpose(StrEnum):
    """What a photo is shown for. Each is asked for on its own, and `ALL` stands for every one."""

    ALBUM = "album"
    YEARBOOK = "yearbook"
    WEB = "web"
