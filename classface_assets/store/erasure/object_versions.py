"""What a bucket keeps of objects that were deleted or written over, where its versioning is on: it can be had back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from upath import UPath

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.storage_errors import StorageError, translate_storage_errors

FOLDERS_WITH_FACES = ("parts", "tables", "albums", "portraits")
"""The folders at the data's place in which faces are, or names."""
REMOVAL_THREADS = 8
_KEYS, _VERSIONS = "KeyMarker", "VersionIdMarker"


class VersionsInaccessibleError(UserError):
    """Whoever may remove an object need not be allowed to see what is kept of it."""


def remove_old_versions(layout: ArchiveLayout) -> int:
    """Remove for good every version of what was made but those that are there now; returns how many.

    Storages that are not S3 have other ways to keep what was deleted, and are passed over. Raises StorageError, and
    NotLookedAtError where the credentials do not allow it, or the server knows of no versions.
    """
    if not isinstance(layout.data, UPath) or "s3" not in layout.data.protocol:
        return 0
    return sum(_remove_versions_below(layout.data / name) for name in FOLDERS_WITH_FACES)


def _remove_versions_below(folder: UPath) -> int:
    bucket, _, _ = folder.path.partition("/")
    try:
        with translate_storage_errors(folder), ThreadPoolExecutor(REMOVAL_THREADS) as pool:
            found = list(_old_versions(folder))
            list(pool.map(lambda old: folder.fs.call_s3("delete_object", Bucket=bucket, **old), found))
    except (StorageError, NotImplementedError) as error:
        if isinstance(error, StorageError) and not isinstance(error.__context__, PermissionError):
            raise
        raise VersionsInaccessibleError(
            f"Whether {folder} keeps old versions of what was removed could not be seen, or they could not be removed "
            "(s3:ListBucketVersions, s3:DeleteObjectVersion): if its versioning is on, remove them there."
        ) from None
    return len(found)


def _old_versions(folder: UPath) -> Iterator[dict[str, str]]:
    """Key and VersionId of each, and of each mark that says that an object was deleted."""
    bucket, _, prefix = folder.path.partition("/")
    start: dict[str, str] = {}
    while True:
        page: dict[str, Any] = folder.fs.call_s3(
            "list_object_versions", Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/", **start
        )
        versions = [*(v for v in page.get("Versions", ()) if not v["IsLatest"]), *page.get("DeleteMarkers", ())]
        yield from ({"Key": v["Key"], "VersionId": v["VersionId"]} for v in versions)
        if not page.get("IsTruncated"):
            return
        start = {_KEYS: page[f"Next{_KEYS}"], _VERSIONS: page[f"Next{_VERSIONS}"]}
