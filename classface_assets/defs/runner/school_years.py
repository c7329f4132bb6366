"""Which school years a run is about."""

from classface_assets.core.errors import did_you_mean
from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.school_year_runs.partitions import held_back_years
from classface_assets.store.catalog.school_year import list_school_years
from classface_assets.store.catalog.school_years import PhotosFolderError, year_folders


def select_years(layout: ArchiveLayout, years_option: str | None, accept_new: bool = False) -> list[str]:
    """The school years to run.

    Args:
        layout: The archive.
        years_option: A comma-separated list. None: all that have a folder, and those that had one, so that their
            photos drop out of the albums.
        accept_new: Whether new ones are run too where they are more than the archive allows.

    Raises:
        PhotosFolderError: A year has no folder, or there is none at all.
    """
    folders = year_folders(layout)
    if not folders:
        raise PhotosFolderError(
            sentence("There is nothing in %(folder)s; put one folder per school year into it.", folder=layout.photos)
        )
    if years_option is None:
        held = [] if accept_new else held_back_years(layout, folders)
        return sorted({*folders, *list_school_years(layout)} - set(held))
    years = [years_option] if years_option in folders else [year.strip() for year in years_option.split(",")]
    unknown = [year for year in years if year not in folders]
    if unknown:
        raise PhotosFolderError(
            f"There is no folder for {', '.join(unknown)} in {layout.photos}; there are: {', '.join(folders)}."
            f"{did_you_mean(unknown[0], folders)}"
        )
    return years
