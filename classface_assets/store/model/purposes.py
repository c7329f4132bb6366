"""The purposes for which a person may be shown; whether a photo may be shown belongs in `store.consent`."""

from enum import StrEnum

ALL_PURPOSES = "all"
"""In events and rosters: every purpose at once."""


class Purpose(StrEnum):
    """Where a photo is shown. Consent is asked for each of them, and `ALL_PURPOSES` means every one."""

    ALBUM = "album"
    YEARBOOK = "yearbook"
    WEB = "web"
