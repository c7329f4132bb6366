"""Archives that share one Dagster: adding one to its list and its workspace, and taking one off, without its data."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.instance import open_instance, prepare_instance, require_idle
from classface_assets.orchestration.records.rebuilt_records import report_what_there_is
from classface_assets.orchestration.records.run_history import RecordsInUseError, delete_all_run_records
from classface_assets.orchestration.records.shared.instance import SharedInstance
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.settings.archive_names import ArchiveNames, names_of, require_archive_name
from classface_assets.orchestration.settings.archives import (
    ArchivesError,
    RegisteredArchive,
    add_archive,
    read_archives,
    registered,
    remove_archive,
    require_addable,
)
from classface_assets.orchestration.settings.file import set_values
from classface_assets.orchestration.settings.workspace_file import (
    add_location,
    location_names,
    location_of,
    read_locations,
    remove_location,
)
from classface_assets.store.catalog.school_years import year_folders

HOME_FOLDER = "dagster_home"
MANY_ARCHIVES = {
    "code_servers": ["local_startup_timeout: 900"],
    "instance_class": [f"module: {SharedInstance.__module__}", f"class: {SharedInstance.__name__}"],
}
"""Section of `dagster.yaml` → its lines."""


@dataclass(frozen=True)
class SharedDagster:
    """A Dagster of several archives.

    Attributes:
        home: Its DAGSTER_HOME.
        workspace: Its `workspace.yaml`.
    """

    home: Path
    workspace: Path

    def archives(self) -> dict[str, RegisteredArchive]:
        """Name → archive."""
        return read_archives(self.home)

    def add(self, registered: RegisteredArchive, archive: Archive) -> Archive:
        """Add an archive. Killed at any moment, the same call once more does the rest.

        Args:
            registered: As the list is to have it.
            archive: The same, as it was until now.

        Returns:
            The archive as it is from now on.

        Raises:
            UserError: It cannot have that name, overlaps with another one, is in a Dagster already, or is being run.
        """
        name = require_archive_name(registered.name)
        if archive.name not in ("", name):
            raise ArchivesError(
                f"This archive is {archive.name!r} in the Dagster of {archive.layout.dagster_home} already; take it "
                f"off there first: classface workspace remove {archive.name} --home {archive.layout.dagster_home}"
            )
        require_addable(self.home, registered)
        location = location_of(name, together=registered.together)
        present = read_locations(self.workspace)
        if location not in present and not registered.together and name in location_names(present):
            raise ArchivesError(f"{self.workspace} has a code location {name!r} already; take another name.")
        year_folders(archive.layout)  # photos that cannot be read are reported before anything is changed
        if (archive.layout.dagster_home / "dagster.yaml").exists():
            with open_instance(archive.layout) as instance:
                require_idle(instance, names_of(archive.layout))
        archive.layout.local.mkdir(parents=True, exist_ok=True)
        set_values(archive.layout.local, {"archive": name, "dagster_home": str(self.home)})
        add_location(self.workspace, location)
        add_archive(self.home, registered)
        added = resolve_archive(archive.photos, archive.data, archive.local or None, name=name)
        open_instance(added.layout).dispose()
        if registered.together:
            self._prepare_for_many()
        return added

    def _prepare_for_many(self) -> None:
        """Write the settings that hundreds of archives need; those that people wrote stay.

        On a busy machine they take minutes to load, and Dagster waits three.
        """
        settings = self.home / "dagster.yaml"
        text = settings.read_text()
        for section, lines in MANY_ARCHIVES.items():
            if f"{section}:" not in text:
                text = "\n".join((text.rstrip(), f"{section}:", *(f"  {line}" for line in lines), ""))
        if text != settings.read_text():
            settings.write_text(text)

    def remove(self, name: str) -> str:
        """Take an archive off: its name, its code location, and what this Dagster has recorded of it. No data.

        Returns:
            What could not be done, in a sentence; "" where all was.

        Raises:
            UserError: There is none of that name, or it is being run.
        """
        archive, names = registered(self.home, name), ArchiveNames(name)
        problem = self._forget_records(names)
        try:
            set_values(archive.local_folder, {"archive": None, "dagster_home": None})
        except (UserError, OSError):
            problem += f" Its settings in {archive.local_folder} could not be changed: remove `archive` and "
            problem += "`dagster_home` from its classface.toml before you use it."
        left = [one for one in self.archives().values() if one.together and one.name != name]
        if not (archive.together and left):
            remove_location(self.workspace, location_of(name, together=archive.together))
        remove_archive(self.home, name)
        return problem.strip()

    def _forget_records(self, names: ArchiveNames) -> str:
        """Pictures of faces are in them, which nobody would erase here any more."""
        if not (self.home / "dagster.yaml").exists():
            return ""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            require_idle(instance, names)
            for year in instance.get_dynamic_partitions(names.school_years_name):
                instance.delete_dynamic_partition(names.school_years_name, year)
            try:
                delete_all_run_records(instance, self.home, names)
            except RecordsInUseError as error:
                return f"Its records are deleted, but can still be read in their files: {error}"
        return ""


def layouts_sharing(layout: ArchiveLayout) -> list[ArchiveLayout]:
    """An archive, and the others of its Dagster as far as their settings can be read."""
    found = [layout]
    for one in read_archives(layout.dagster_home).values() if layout.name else ():
        with suppress(UserError):
            if one.name != layout.name:
                found.append(resolve_archive(one.photos or None, one.data, one.local or None, name=one.name).layout)
    return found


def show_in_dagster(layout: ArchiveLayout, of_a_year: Iterable[str], of_all: Iterable[str]) -> int:
    """Register the school years of an archive that was added, and report what there is, so that nothing is run again.

    Args:
        layout: The archive.
        of_a_year: The assets that the ingest of a school year makes.
        of_all: The assets that are one for all school years.

    Returns:
        How many outputs were reported.
    """
    instance, _ = prepare_instance(layout)
    with instance, suppress(FileNotFoundError):
        if not names_of(layout).recorded_keys(instance):
            return report_what_there_is(instance, layout, of_a_year, of_all)
    return 0
