"""Which version of the program last worked on an archive that several machines share: an older one is refused.

On one machine there is one version, so a local archive has no such file.
"""

import json
import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import UserError
from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout

VERSION_FILE = "program_version.json"
DISTRIBUTION = "classface_assets"


class OlderProgramError(UserError):
    """A newer version of the program has worked on the archive."""


def require_newest_version(layout: ArchiveLayout) -> None:
    """Require that no newer version of the program has worked on an archive at a URL, and note this one.

    Raises:
        OlderProgramError: A newer version has.
        StorageError: The server cannot be reached, or refuses.
    """
    if isinstance(layout.data, Path):
        return
    file, own = layout.data / VERSION_FILE, version(DISTRIBUTION)
    noted = ""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # one that is damaged is written again
        noted = str(json.loads(read_file(file))["version"])
    if _numbers(noted) > _numbers(own):
        raise OlderProgramError(
            sentence(
                "classface %(newer)s has worked on the archive in %(folder)s, and this machine has %(own)s; install "
                "%(newer)s here: all machines of an archive have the same version.",
                newer=noted,
                folder=layout.data,
                own=own,
            )
        )
    if noted != own:
        content = json.dumps({"version": own}).encode()
        write_file(file, lambda opened: opened.write(content))


def _numbers(text: str) -> tuple[int, ...]:
    """`0.10.2` as (0, 10, 2), to be compared."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])
