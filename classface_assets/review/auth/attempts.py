"""How often tokens may be guessed: after some wrong ones an address waits, each time longer; so do all together."""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from classface_assets.core.errors import UserError
from classface_assets.core.languages import gettext, ngettext

FREE_ATTEMPTS = 5
"""Wrong tokens of one address before it has to wait."""
FREE_ATTEMPTS_IN_ALL = 100
"""Wrong tokens of all addresses before those from which nobody ever logged in have to wait too."""
LONGEST_WAIT_S, LONGEST_WAIT_IN_ALL_S = 15 * 60, 60
FORGOTTEN_AFTER_S = 60 * 60
MAX_ADDRESSES = 10_000


class TooManyAttemptsError(UserError):
    """Tokens are refused without being looked at.

    Attributes:
        wait_s: Seconds until one is looked at again.
    """

    def __init__(self, wait_s: int) -> None:
        super().__init__(gettext("Too many wrong tokens. Try again in %(time)s.", time=wait_in_words(wait_s)))
        self.wait_s = wait_s


def wait_in_words(seconds: int) -> str:
    """A wait as a person reads it."""
    if seconds < 90:
        return ngettext("%(num)s second", "%(num)s seconds", seconds)
    return ngettext("%(num)s minute", "%(num)s minutes", -(-seconds // 60))


@dataclass
class _Failures:
    """The wrong tokens of an address, or of all."""

    count: int = 0
    last: float = 0.0

    def wait_s(self, now: float, free: int, longest_s: int) -> int:
        """Seconds that are left to wait, twice as many after each further one."""
        over = min(self.count - free, 30)
        return max(0, -int(now - self.last - min(2**over, longest_s)) if over >= 0 else 0)


@dataclass
class LoginAttempts:
    """Counts wrong tokens in memory; safe to use from several threads.

    Attributes:
        clock: Seconds that never go back.
        free: Wrong tokens of one address before it has to wait.
        free_in_all: Those of all addresses.
    """

    clock: Callable[[], float] = time.monotonic
    free: int = FREE_ATTEMPTS
    free_in_all: int = FREE_ATTEMPTS_IN_ALL
    _of_address: OrderedDict[str, _Failures] = field(default_factory=OrderedDict)
    _in_all: _Failures = field(default_factory=_Failures)
    _right_at: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, address: str, is_known: Callable[[], bool]) -> None:
        """Refuse an attempt that comes too early.

        Args:
            address: Where the request came from.
            is_known: Whether somebody logged in from there lately; such an address waits only for its own wrong tokens.

        Raises:
            TooManyAttemptsError: The address, or everybody, has to wait.
        """
        with self._lock:
            now = self.clock()
            own = self._current(address_group(address), now).wait_s(now, self.free, LONGEST_WAIT_S)
            if now - self._in_all.last > FORGOTTEN_AFTER_S:
                self._in_all = _Failures()
            in_all = self._in_all.wait_s(now, self.free_in_all, LONGEST_WAIT_IN_ALL_S)
            gave_it = now - self._right_at.get(address_group(address), -FORGOTTEN_AFTER_S) < FORGOTTEN_AFTER_S
        if own or (in_all and not gave_it and not is_known()):
            raise TooManyAttemptsError(max(own, in_all))

    def record_failure(self, address: str) -> None:
        """Count a wrong token."""
        group = address_group(address)
        with self._lock:
            now = self.clock()
            own = self._of_address[group] = self._current(group, now)
            for failures in (own, self._in_all):
                failures.count, failures.last = failures.count + 1, now
            self._of_address.move_to_end(group)
            while len(self._of_address) > MAX_ADDRESSES:
                self._of_address.popitem(last=False)

    def record_success(self, address: str) -> None:
        """Forget the wrong tokens of an address from which the right one came; it is known for an hour."""
        group = address_group(address)
        with self._lock:
            self._of_address.pop(group, None)
            self._right_at[group] = self.clock()
            self._right_at.move_to_end(group)
            while len(self._right_at) > MAX_ADDRESSES:
                self._right_at.popitem(last=False)

    def _current(self, group: str, now: float) -> _Failures:
        failures = self._of_address.get(group)
        return failures if failures and now - failures.last <= FORGOTTEN_AFTER_S else _Failures()


def address_group(address: str) -> str:
    """The address, or the network of 64 bits of an IPv6 one: whoever has one of those has all of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
