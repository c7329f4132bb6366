"""One object at a URL that several machines change: it is written only if nobody else has written it meanwhile.

On S3 the server itself compares (If-Match, If-None-Match). Where the storage cannot, the object is read, compared and
written, which leaves a moment in which two writers may meet.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fsspec.asyn import sync  # type: ignore[import-untyped]
from upath import UPath

from classface_assets.core.errors import translate_storage_errors

_CHANGED_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"})
_UNCHANGED_CODES = frozenset({"304", "NotModified"})
_UNSUPPORTED_CODES = frozenset({"NotImplemented", "501"})


class ChangedMeanwhileError(Exception):
    """Another process has written or removed the object since it was read."""


class Unread(Enum):
    """Why an object has no content to read."""

    MISSING = "missing"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class VersionedContent:
    """What an object holds, and which version of it that is (on S3 its ETag)."""

    content: bytes
    version: str


@dataclass(frozen=True)
class ConditionalObject:
    """An object that is read with its version and written under the condition that it still has that version.

    Attributes:
        place: The URL.
        data: What errors name: the URL that people gave, below which it lies.
    """

    place: UPath
    data: UPath

    def read(self, known: str = "") -> VersionedContent | Unread:
        """The content, from one request.

        Args:
            known: The version that is known already: if it is still that one, nothing is fetched.

        Raises:
            StorageError: The server fails.
        """
        with translate_storage_errors(self.data):
            try:
                return self._get(known) if self._is_s3 else self._read_whole(known)
            except FileNotFoundError as error:
                if "bucket does not exist" in str(error):
                    raise
                return Unread.MISSING
            except OSError as error:
                if _code(error) in _UNCHANGED_CODES:
                    return Unread.UNCHANGED
                raise

    def write(self, content: bytes, version: str | None) -> str:
        """Write the object.

        Args:
            content: What it will hold.
            version: The version that is replaced; None where there must be none.

        Returns:
            Its new version.

        Raises:
            ChangedMeanwhileError: It has another version, or is there, or is gone.
            StorageError: The server fails.
        """
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        with translate_storage_errors(self.data):
            if self._is_s3:
                try:
                    return str(self._call("put_object", Body=content, **condition)["ETag"])
                except (OSError, NotImplementedError) as error:
                    self._require_unsupported(error)
            self._require_version(version)
            if self._is_s3:
                return str(self._call("put_object", Body=content)["ETag"])
            self.place.fs.pipe_file(self.place.path, content)
            return _digest(content)

    def remove(self, version: str) -> None:
        """Remove the object if it still has this version.

        Raises:
            ChangedMeanwhileError: It has another one, or is gone.
            StorageError: The server fails.
        """
        with translate_storage_errors(self.data):
            if self._is_s3:
                try:
                    self._call("delete_object", IfMatch=version)
                    return
                except (OSError, NotImplementedError) as error:
                    self._require_unsupported(error)
            self._require_version(version)
            self.place.fs.rm_file(self.place.path)

    @property
    def _is_s3(self) -> bool:
        return "s3" in self.place.protocol

    def _get(self, known: str) -> VersionedContent:
        response = self._call("get_object", **({"IfNoneMatch": known} if known else {}))
        return VersionedContent(sync(self.place.fs.loop, response["Body"].read), str(response["ETag"]))

    def _read_whole(self, known: str) -> VersionedContent | Unread:
        content = self.place.read_bytes()
        return Unread.UNCHANGED if known == _digest(content) else VersionedContent(content, _digest(content))

    def _call(self, method: str, **given: Any) -> Mapping[str, Any]:
        bucket, _, key = self.place.path.partition("/")
        result: Mapping[str, Any] = self.place.fs.call_s3(method, Bucket=bucket, Key=key, **given)
        return result

    def _require_version(self, version: str | None) -> None:
        now = self.read()
        if (now.version if isinstance(now, VersionedContent) else None) != version:
            raise ChangedMeanwhileError(str(self.place))

    def _require_unsupported(self, error: Exception) -> None:
        """Return where the server does not know conditions; raise what else is wrong."""
        if isinstance(error, FileNotFoundError) and "bucket does not exist" in str(error):
            raise error
        if _code(error) in _CHANGED_CODES:
            raise ChangedMeanwhileError(str(self.place)) from None
        if _code(error) not in _UNSUPPORTED_CODES:
            raise error


def _code(error: BaseException) -> str:
    """The server's own code of an error that s3fs has translated."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
