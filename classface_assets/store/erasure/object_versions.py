"""Old versions of deleted or overwritten objects, which a bucket with versioning keeps and can restore."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from upath import UPath

from classface_assets.core.errors import StorageError, UserError, translate_storage_errors
from classface_assets.core.layout import ArchiveLayout

FOLDERS_WITH_FACES = ("parts", "tables", "albums", "portraits", "face_regions", "shared")
"""The folders of the data folder that hold faces or names."""
REMOVAL_THREADS = 8
_KEYS, _VERSIONS = "KeyMarker", "VersionIdMarker"


class VersionsInaccessibleError(UserError):
    """The credentials may delete objects but neither list nor delete their old versions."""


def remove_old_versions(layout: ArchiveLayout) -> int:
    """Delete for good all old versions of objects with faces or names, on S3; other storages are passed over.

    Returns:
        How many were deleted.

    Raises:
        StorageError: The server fails.
        VersionsInaccessibleError: The credentials do not allow it, or the server does not support versions.
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
    """Key and VersionId of each old version and of each delete marker."""
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
