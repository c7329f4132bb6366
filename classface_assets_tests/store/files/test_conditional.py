"""An object that several machines write: on a server that compares versions, on one that cannot, and elsewhere."""

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from upath import UPath

from classface_assets.core.errors import StorageError
from classface_assets.core.locations import parse_location
from classface_assets.store.files import conditional
from classface_assets.store.files.conditional import (
    ChangedMeanwhileError,
    ConditionalObject,
    Unread,
    VersionedContent,
)


@pytest.fixture(params=["S3", "S3 without conditions", "memory"])
def place(request: pytest.FixtureRequest, bucket: UPath, monkeypatch: pytest.MonkeyPatch) -> ConditionalObject:
    if request.param == "memory":
        found = parse_location(f"memory://{request.node.name}/pointer.json")
        assert isinstance(found, UPath)
        return ConditionalObject(found, found.parent)
    if request.param == "S3 without conditions":
        call = ConditionalObject._call

        def refusing(self: ConditionalObject, method: str, **given: Any) -> Mapping[str, Any]:
            if method != "get_object" and {"IfMatch", "IfNoneMatch"} & given.keys():
                raise OSError(38, "not implemented") from ClientError({"Error": {"Code": "NotImplemented"}}, method)
            return call(self, method, **given)

        monkeypatch.setattr(conditional.ConditionalObject, "_call", refusing)
    return ConditionalObject(bucket / "data #1" / "pointer.json", bucket / "data #1")


def test_it_is_written_and_removed_only_in_the_version_that_was_read(place: ConditionalObject) -> None:
    assert place.read() is Unread.MISSING
    with pytest.raises(ChangedMeanwhileError):
        place.write(b"lost", "some version")
    first = place.write(b"one", None)
    with pytest.raises(ChangedMeanwhileError):
        place.write(b"another first", None)
    assert place.read() == VersionedContent(b"one", first) and place.read(first) is Unread.UNCHANGED
    second = place.write(b"two", first)
    assert second != first and place.read(first) == VersionedContent(b"two", second)
    with pytest.raises(ChangedMeanwhileError):
        place.write(b"three", first)
    with pytest.raises(ChangedMeanwhileError):
        place.remove(first)
    assert place.place.read_bytes() == b"two"
    place.remove(second)
    assert place.read(second) is Unread.MISSING


def test_a_bucket_that_is_missing_is_an_error_and_no_missing_object(bucket: UPath) -> None:
    missing = parse_location("s3://no-such-bucket/data/pointer.json")
    assert isinstance(missing, UPath)
    place = ConditionalObject(missing, missing.parent)
    for call in (place.read, lambda: place.write(b"", None)):
        with pytest.raises(StorageError, match="There is no bucket for s3://no-such-bucket/data"):
            call()
