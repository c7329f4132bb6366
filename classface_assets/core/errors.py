"""The base class of the errors that bad input and mistakes end in, which rooms subclass, and errors of storage.

Reading and writing belongs in locations and atomic_files; here the errors of the operating system, fsspec, DuckDB and
SQLite become a StorageError that says what to do: a disk that is full or gone, a server that refuses.
"""

import difflib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from classface_assets.core.languages import sentence


class UserError(Exception):
    """One sentence that says what is wrong and what to do; shown without a traceback."""


def sentence_of(error: UserError | ValueError) -> str:
    """What an error says: its `Sentence` where it was raised with one, which can be stored in all languages."""
    return error.args[0] if error.args and isinstance(error.args[0], str) else str(error)


class InvalidNameError(UserError):
    """A text that cannot be the name of a person."""


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """` Did you mean 2018-2019?`, to end the sentence of an error with; empty where nothing is similar.

    >>> did_you_mean("bufalo_l", ["builtin", "buffalo_l"])
    ' Did you mean buffalo_l?'
    """
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.7)
    return f" Did you mean {found[0]}?" if found else ""


def _known_errnos(*names: str) -> set[int]:
    """The error numbers of these names that this system knows."""
    return {getattr(errno, name) for name in names if hasattr(errno, name)}


_DISK_FULL_ERRNOS = _known_errnos("ENOSPC", "EDQUOT")
_UNREACHABLE_ERRNOS = _known_errnos(
    *("EIO", "ENODEV", "ENXIO", "ENOTCONN", "ESTALE", "EREMOTEIO", "EPIPE", "EHOSTDOWN", "EHOSTUNREACH"),
    *("ENETDOWN", "ENETUNREACH", "ENETRESET", "ETIMEDOUT", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED"),
)
# Polars keeps the system's error number in its text only, DuckDB and SQLite not even that.
_OS_ERROR_NUMBER = re.compile(r"\(os error (\d+)\)")
_NO_SPACE_MESSAGES = ("No space left on device", "database or disk is full")
# SQLite says no more when a disk is full at the wrong moment, or gone.
_SQLITE_MESSAGES = ("disk I/O error", "unable to open database file", "attempt to write a readonly database")
_SQLITE_LOCKED = "database is locked"
_REQUEST_URL = re.compile(r':? "https?://[^"]*"')  # of one request, longer than the whole message


class StorageError(UserError):
    """A disk, drive or server that is full, gone, or refuses access."""


class UnreachableError(StorageError):
    """A drive or server cannot be reached, or a file is in use by another program; a moment later it may be better."""


@contextmanager
def translate_storage_errors(where: object) -> Iterator[None]:
    """Raise StorageError in place of what a full disk, a lost drive or a refusing server raises.

    Args:
        where: The location as the user knows it.

    Raises:
        StorageError: Instead of the errors that `as_storage_error` knows; all others pass unchanged.
    """
    try:
        yield
    except Exception as error:
        sentence = as_storage_error(error, where)
        if sentence is None:
            raise
        raise sentence from None


def as_storage_error(error: BaseException, where: object) -> StorageError | None:
    """The sentence for an error of a disk, drive or server.

    Args:
        error: Any exception.
        where: The location as the user knows it.

    Returns:
        A StorageError when a disk is full or read-only, or a drive or server is gone or refuses; else None. A file
        that is missing or may not be read is none of these.
    """
    number = _errno_of(error)
    if number in _DISK_FULL_ERRNOS:
        return StorageError(
            sentence(
                "There is no space left for %(where)s; free some and run again, finished work is not lost.", where=where
            )
        )
    if number == errno.EROFS:
        return StorageError(
            sentence(
                "%(where)s lies on a disk that can only be read; make it writable, or name another folder.", where=where
            )
        )
    if number in _UNREACHABLE_ERRNOS:
        why = os.strerror(number).lower()
        return UnreachableError(
            sentence(
                "%(where)s cannot be reached any more (%(why)s); connect its drive or server and run again, finished "
                "work is not lost.",
                where=where,
                why=why,
            )
        )
    if _SQLITE_LOCKED in str(error) and {"sqlite3", "sqlalchemy"} & _exception_packages(error):
        return UnreachableError(
            sentence(
                "%(where)s is in use by another program, which did not finish in time (%(why)s); close it, or wait "
                "until it is done, and run again, finished work is not lost.",
                where=where,
                why=_SQLITE_LOCKED,
            )
        )
    why = next((message for message in _SQLITE_MESSAGES if message in str(error)), "")
    if why and {"sqlite3", "sqlalchemy"} & _exception_packages(error):
        return StorageError(
            sentence(
                "%(where)s cannot be written (%(why)s); see whether its disk is full, gone or can only be read, and "
                "run again, finished work is not lost.",
                where=where,
                why=why,
            )
        )
    return _as_remote_storage_error(error, where)


def _as_remote_storage_error(error: BaseException, where: object) -> StorageError | None:
    """The same for errors of a server: s3fs turns most into OSErrors, whose cause is botocore's own."""
    why = _REQUEST_URL.sub("", str(error).splitlines()[0]) if str(error) else type(error).__name__
    if "Credentials" in type(error).__name__:
        return StorageError(
            sentence(
                "There are no credentials for %(where)s; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.", where=where
            )
        )
    if isinstance(error, PermissionError) and _is_remote(error.__cause__):
        return StorageError(
            sentence(
                "%(where)s refuses access (%(why)s); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
                where=where,
                why=why,
            )
        )
    if isinstance(error, FileNotFoundError) and "bucket does not exist" in why:
        return StorageError(sentence("There is no bucket for %(where)s; check its name, or create it.", where=where))
    if _is_remote(error) or (isinstance(error, OSError) and _is_remote(error.__cause__) and error.errno is not None):
        return UnreachableError(
            sentence(
                "%(where)s cannot be reached (%(why)s); check its name, AWS_ENDPOINT_URL and the network, and run "
                "again, finished work is not lost.",
                where=where,
                why=why,
            )
        )
    return None


def _is_remote(error: BaseException | None) -> bool:
    return bool(_exception_packages(error) & {"botocore", "aiobotocore", "aiohttp", "gcsfs", "azure", "fsspec"})


def _exception_packages(error: BaseException | None) -> set[str]:
    return {cls.__module__.split(".")[0] for cls in type(error).__mro__}


def _errno_of(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if any(message in str(error) for message in _NO_SPACE_MESSAGES):
        return errno.ENOSPC
    found = _OS_ERROR_NUMBER.search(str(error)) if not isinstance(error, UserError) else None
    return int(found[1]) if found else None
