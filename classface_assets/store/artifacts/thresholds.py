"""The thresholds that were calibrated on an archive's labels: a small JSON file, which may be deleted at any time.

Each set holds for one model pack and clustering method, in place of the thresholds that come with the program.
"""

import json
from collections.abc import Mapping

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location


def calibration_file(layout: ArchiveLayout) -> Location:
    """Where the calibrated thresholds lie."""
    return layout.data / "calibration.json"


def load_thresholds(layout: ArchiveLayout, pack: str, method: str) -> dict[str, float]:
    """The calibrated thresholds of a model pack and method.

    Returns:
        Setting → value; empty where nothing was calibrated.

    Raises:
        UserError: The file is damaged.
    """
    found = _read(layout).get(f"{pack} {method}", {})
    if not all(isinstance(value, int | float) for value in found.values()):
        raise _invalid_file_error(layout)
    return {name: float(value) for name, value in found.items()}


def save_thresholds(layout: ArchiveLayout, pack: str, method: str, values: Mapping[str, float]) -> None:
    """Store the calibrated thresholds of a model pack and method in place of earlier ones.

    Raises:
        StorageError: The disk, drive or server fails.
        UserError: The file is damaged.
    """
    content = {**_read(layout), f"{pack} {method}": dict(values)}
    written = json.dumps(content, indent=2, sort_keys=True).encode()
    write_file(calibration_file(layout), lambda out: out.write(written))


def delete_thresholds(layout: ArchiveLayout, pack: str, method: str) -> bool:
    """Delete the calibrated thresholds of a model pack and method.

    Returns:
        False when there were none.
    """
    content = _read(layout)
    if content.pop(f"{pack} {method}", None) is None:
        return False
    written = json.dumps(content, indent=2, sort_keys=True).encode()
    write_file(calibration_file(layout), lambda out: out.write(written))
    return True


def _read(layout: ArchiveLayout) -> dict[str, dict[str, float]]:
    try:
        content = json.loads(read_file(calibration_file(layout)))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise _invalid_file_error(layout) from None
    if not isinstance(content, dict) or not all(isinstance(values, dict) for values in content.values()):
        raise _invalid_file_error(layout)
    return content


def _invalid_file_error(layout: ArchiveLayout) -> UserError:
    return UserError(f"{calibration_file(layout)} does not hold calibrated thresholds; delete it, and calibrate again.")
