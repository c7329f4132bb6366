"""Whether Dagster's own page answers: only then do the review pages link to it."""

import json
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field

DAGSTER_UI = "http://127.0.0.1:3000"
ASK_EVERY_S = 15.0
ANSWER_WITHIN_S = 1.0
FIRST_WAIT_S = 0.15
"""How long a page waits for the first answer; a page that does not exist refuses at once."""


@dataclass
class DagsterPage:
    """The page at one address, asked now and then by a thread."""

    url: str
    _answers: bool = False
    _requested_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answers(self) -> bool:
        """Whether it answered the last time that it was asked."""
        if time.monotonic() - self._requested_at > ASK_EVERY_S and self._lock.acquire(blocking=False):
            is_first, self._requested_at = self._requested_at == float("-inf"), time.monotonic()
            asking = threading.Thread(target=self._ask, daemon=True)
            asking.start()
            if is_first:
                asking.join(FIRST_WAIT_S)
        return self._answers

    def _ask(self) -> None:
        """Ask; the lock is held by who started the thread."""
        found = False
        try:
            with (
                suppress(OSError, ValueError),
                urllib.request.urlopen(f"{self.url.rstrip('/')}/server_info", timeout=ANSWER_WITHIN_S) as answer,
            ):
                found = "dagster_version" in json.load(answer)
        finally:
            self._answers = found
            self._lock.release()
