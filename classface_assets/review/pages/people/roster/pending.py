"""Rosters that were uploaded and wait for a confirmation: in memory only, few, small, and for half an hour."""

import secrets
import threading
import time
from dataclasses import dataclass, field, replace

from classface_assets.core.languages import gettext
from classface_assets.review.problems import ProblemError
from classface_assets.store.roster.table import RosterOptions

MAX_ROSTER_BYTES = 8 << 20
MAX_PENDING, LIFETIME_S = 4, 30 * 60


@dataclass(frozen=True)
class PendingRoster:
    """A file that was uploaded, and what somebody said of it.

    Attributes:
        name: The name of the file.
        content: Its bytes.
        owner: The session that uploaded it, by its CSRF token; nobody else sees it.
        at: When it was uploaded or last looked at, on the monotonic clock in seconds.
        school_year: The school year of rows that name none.
        options: What each column holds, and the encoding.
    """

    name: str
    content: bytes
    owner: str
    at: float
    school_year: str = ""
    options: RosterOptions = field(default_factory=RosterOptions)


class PendingRosters:
    """The files of one server that wait; the oldest goes when there are too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, PendingRoster] = {}

    def add(self, name: str, content: bytes, owner: str, school_year: str) -> str:
        """Hold a file.

        Returns:
            The key under which it waits.

        Raises:
            ProblemError: The file is too large.
        """
        if len(content) > MAX_ROSTER_BYTES:
            limit = MAX_ROSTER_BYTES >> 20
            detail = gettext(
                "The file has more than %(limit)s MB; a roster is a list of names, not of pictures.", limit=limit
            )
            raise ProblemError(413, detail)
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._drop_old()
            for other in [other for other, file in self._files.items() if file.owner == owner]:
                del self._files[other]  # an upload replaces the one before it
            while len(self._files) >= MAX_PENDING:
                del self._files[min(self._files, key=lambda other: self._files[other].at)]
            self._files[key] = PendingRoster(name, content, owner, time.monotonic(), school_year)
        return key

    def get(self, key: str, owner: str) -> PendingRoster:
        """The file that waits under a key.

        Raises:
            ProblemError: It was confirmed or dropped, waited for too long, or is somebody else's.
        """
        with self._lock:
            self._drop_old()
            file = self._files.get(key)
            if file is None or file.owner != owner:
                raise ProblemError(404, gettext("This roster is not waiting any more; choose the file again."))
            self._files[key] = file = replace(file, at=time.monotonic())
            return file

    def change(self, key: str, owner: str, school_year: str, options: RosterOptions) -> None:
        """Read the file otherwise from now on; raises as `get`."""
        file = self.get(key, owner)
        with self._lock:
            self._files[key] = replace(file, school_year=school_year, options=options)

    def drop(self, key: str, owner: str) -> PendingRoster:
        """The file, which does not wait any more; raises as `get`."""
        file = self.get(key, owner)
        with self._lock:
            self._files.pop(key, None)
        return file

    def __len__(self) -> int:
        return len(self._files)

    def _drop_old(self) -> None:
        latest = time.monotonic() - LIFETIME_S
        self._files = {key: file for key, file in self._files.items() if file.at >= latest}
