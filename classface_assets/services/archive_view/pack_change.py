"""What a new version of the program says once where a pack of the same name has another network than before."""

from classface_assets.core.languages import format_names, gettext
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.names import pluralize
from classface_assets.services.archive_view.own_packs import stored_packs
from classface_assets.store.catalog.school_year import SchoolYearStore, list_school_years
from classface_assets.vision.models.pack_info import PackInfo


def pack_change_note(layout: ArchiveLayout, pack: PackInfo) -> str:
    """One sentence about the faces that get new vectors because the pack's network changed; empty without any."""
    stores = [SchoolYearStore(layout, pack.detector_version, year) for year in list_school_years(layout)]
    return change_note(stores, pack)


def pack_change_question(layout: ArchiveLayout, pack: PackInfo) -> str:
    """One sentence about what is computed again where the archive was made with another pack; empty where none was."""
    stored = [one for one in stored_packs(layout) if one.vectors]
    theirs = {pack.key, *(former.key for former in pack.former_packs)}
    if not stored or any(one.vectors in theirs for one in stored):
        return ""
    names = format_names(sorted({one.vectors.partition("@")[0] for one in stored}))
    if any(one.detector == pack.detector_version for one in stored):
        return gettext(
            "This archive was made with the pack %(former)s. With %(pack)s every face gets a new vector, which takes "
            "as long as the first run; the names that you gave stay, and so do the vectors of the former pack.",
            former=names,
            pack=pack.name,
        )
    return gettext(
        "This archive was made with the pack %(former)s. With %(pack)s every photo is searched again, which takes as "
        "long as the first run; the names that you gave stay, and so do the vectors of the former pack.",
        former=names,
        pack=pack.name,
    )


def change_note(stores: list[SchoolYearStore], pack: PackInfo) -> str:
    """As `pack_change_note`, about the faces of some school years."""
    for former in pack.former_packs:
        before = sum(len(_without_new_vector(store, pack, former)) for store in stores)
        if before:
            return (
                f"The pack {pack.name} compares faces by another network than the version that ran here last: "
                f"{pluralize(before, 'face')} get new vectors once, no photo is searched again and every name stays; "
                f"with `--pack {former.name}` everything goes on with the stored vectors."
            )
    return ""


def _without_new_vector(store: SchoolYearStore, pack: PackInfo, former: PackInfo) -> set[str]:
    stored = store.embedding_parts(former.key).ids("face_id")
    return stored - store.embedding_parts(pack.key).ids("face_id") if stored else set()
