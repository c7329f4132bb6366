"""Names of the files that operating systems, network storage and photo programs leave among photos.

Thumbnails, recycle bins, snapshots, indexes and sidecars (`photo.jpg.xmp`) are ignored at every level, whatever the
case of their names.
"""

import re

SIDECARS = "*.xmp"
"""Stands for all sidecars, of which there may be one a photo."""
_SYSTEM_NAMES = frozenset(
    {
        # Synology, QNAP, Asustor, NetApp, ZFS; what begins with a dot is left out whatever it is
        *("@eadir", "@tmp", "@recycle", "@recycle.bin", "@recently-snapshot", "@snapshot", "@snapshots", "@sharebin"),
        *("@sharesnap", "@synologydrive", "@synoresource", "@synoeastream", "@database", "@img_bkp_cache"),
        *("#recycle", "#recycle.bin", "#snapshot", "~snapshot", "$snapshot", "network trash folder", "trashbox"),
        # Windows
        *("$recycle.bin", "$recycle", "recycle.bin", "recycler", "recycled", "system volume information"),
        *("thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$extend"),
        *("msocache", "$winreagent", "$windows.~bt", "$windows.~ws"),
        # macOS and Linux
        *("__macosx", "icon\r", "temporary items", "lost+found", "lost+found@"),
        # photo programs
        *("picasa.ini", "zbthumbnail.info", "pspbrwse.jbf", "albumcache.dat"),
    }
)
_SYSTEM_BEGINNINGS = (".", "~$")
_SYSTEM_ENDINGS = (".lrdata", ".synoeastream", ".cocatalogcache", ".xmp", "@synoeastream")
_CHECKED_DISK = re.compile(r"found\.[0-9]{3}$")


def is_system_name(name: str) -> bool:
    """Whether a file or folder of this name is ignored with all that is in it: it is hidden, or made by a system."""
    lowered = name.casefold()
    return (
        lowered in _SYSTEM_NAMES
        or lowered.startswith(_SYSTEM_BEGINNINGS)
        or lowered.removesuffix("\n").endswith(_SYSTEM_ENDINGS)
        or (lowered.startswith("found.") and _CHECKED_DISK.match(lowered) is not None)
    )


def ignored_name_kind(name: str) -> str:
    """How an ignored file or folder is counted: by its name, sidecars all as `*.xmp`."""
    return SIDECARS if name.casefold().endswith(SIDECARS[1:]) else name
