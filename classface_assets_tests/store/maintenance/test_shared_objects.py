"""The blobs at a URL: damaged ones are found and repaired, old ones pruned."""

from pathlib import Path

import pytest
from upath import UPath

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import remove_file
from classface_assets.store.maintenance import shared_objects
from classface_assets.store.maintenance.file_repair import repair_files
from classface_assets.store.maintenance.pruning import find_unused, prune
from classface_assets.store.maintenance.shared_objects import damaged_blobs
from classface_assets.store.maintenance.stored_files import FileDamage, FileKind, check_stored_files
from classface_assets.store.published.shared_files import pull
from classface_assets.store.published.shared_pointer import blob_place, pointer_object, read_pointer
from classface_assets.store.published.shared_push import push


@pytest.fixture
def layout(bucket: UPath, tmp_path: Path) -> ArchiveLayout:
    """A machine that has shared two files."""
    found = ArchiveLayout(bucket / "photos", bucket / "data", tmp_path / "local")
    (found.local / "models").mkdir(parents=True)
    (found.local / "classface.toml").write_text('pack = "builtin"')
    (found.local / "models" / "projection_head_notes.json").write_text('{"status": "skipped"}')
    push(found)
    return found


def blob_of(layout: ArchiveLayout, path: str) -> UPath:
    return blob_place(layout, read_pointer(layout)[0].files[path].sha256)


def test_a_damaged_blob_is_put_there_again_by_a_machine_that_has_the_file(
    layout: ArchiveLayout, tmp_path: Path
) -> None:
    first, second = blob_of(layout, "classface.toml"), blob_of(layout, "models/projection_head_notes.json")
    first.write_bytes(b"other")
    remove_file(second)
    damaged = [one for one in check_stored_files(layout).damaged if one.kind == FileKind.SHARED]
    why = {first: "its checksum does not match", second: "it is missing"}
    assert {one.file: one.why for one in damaged} == why
    sentences = list(repair_files(layout, damaged))
    assert all("of this machine is put there again." in one for one in sentences)
    assert not list(damaged_blobs(layout))

    first.write_bytes(b"other")
    without = ArchiveLayout(layout.photos, layout.data, tmp_path / "other")
    (sentence,) = repair_files(without, [FileDamage(first, FileKind.SHARED, "its checksum does not match")])
    assert sentence.endswith("classface.toml is made again.")
    pull(without)
    assert not list(damaged_blobs(layout)) and not (without.local / "classface.toml").exists()


def test_a_damaged_pointer_is_written_anew_from_the_files_of_this_machine(layout: ArchiveLayout) -> None:
    before, _ = read_pointer(layout)
    pointer = pointer_object(layout).place
    pointer.write_bytes(b"{")
    damaged = [one for one in check_stored_files(layout).damaged if one.kind == FileKind.SHARED]
    assert [one.file for one in damaged] == [pointer]
    assert list(repair_files(layout, damaged)) == [
        f"{pointer} is damaged (it cannot be read): the files of this machine are shared."
    ]
    assert read_pointer(layout)[0].files == before.files


def test_blobs_that_no_file_has_are_pruned_after_a_while(
    layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = blob_place(layout, "0" * 64)
    left.write_bytes(b"of a push that was killed")
    kinds = {one.kind for one in find_unused(layout, [])}
    assert "old states of files that machines share" not in kinds, "another machine may be about to name it"
    monkeypatch.setattr(shared_objects, "GRACE_S", -10.0)
    found = find_unused(layout, [])
    assert [one.files for one in found if one.where == "shared"] == [(left,)]
    prune(layout, found)
    assert not left.exists() and not list(damaged_blobs(layout))
