"""What machines share where the data are at a URL: a second machine, two that write at once, kills, damage."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from upath import UPath

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import list_files_recursive, remove_file
from classface_assets.store.erasure.tombstones import locally_erased
from classface_assets.store.published import shared_pointer
from classface_assets.store.published.shared_cache import file_states
from classface_assets.store.published.shared_files import pull
from classface_assets.store.published.shared_pointer import (
    DamagedPointerError,
    SharedFormatError,
    blob_place,
    read_pointer,
)
from classface_assets.store.published.shared_push import ErasedMeanwhileError, push, push_erasure

STAMP = "stamps/albums/2019.json"


@pytest.fixture
def a(bucket: UPath, tmp_path: Path) -> ArchiveLayout:
    return ArchiveLayout(bucket / "photos", bucket / "data", tmp_path / "a")


@pytest.fixture
def b(bucket: UPath, tmp_path: Path) -> ArchiveLayout:
    return ArchiveLayout(bucket / "photos", bucket / "data", tmp_path / "b")


def put(layout: ArchiveLayout, path: str, content: str) -> None:
    file = layout.local / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def contents(layout: ArchiveLayout) -> dict[str, str]:
    return {path: (layout.local / path).read_text() for path in file_states(layout)}


def blobs(layout: ArchiveLayout) -> set[str]:
    return {entry.path.name for entry in list_files_recursive(blob_place(layout))}


def test_a_machine_with_an_empty_folder_gets_every_file_with_its_time(a: ArchiveLayout, b: ArchiveLayout) -> None:
    put(a, "classface.duckdb", "rows")
    put(a, STAMP, "made")
    put(a, "models/projection_head.pt", "weights")
    put(a, "review_token", "of this machine alone")
    assert push(a) and not push(a)
    assert pull(b) and not pull(b)
    assert contents(b) == contents(a) and file_states(b) == file_states(a)
    assert not (b.local / "review_token").exists()
    shutil.rmtree(b.local)
    assert pull(b) and contents(b) == contents(a), "the folder is a cache"
    (b.local / STAMP).unlink()
    assert not push(b), "what is missing here stays shared"
    assert pull(b) and contents(b) == contents(a)


def test_nothing_is_made_for_local_data_nor_for_an_archive_that_is_not_there_yet(
    b: ArchiveLayout, tmp_path: Path
) -> None:
    assert not pull(b) and not push(b) and not b.local.exists()
    local = ArchiveLayout(tmp_path / "photos", tmp_path / "data")
    assert not pull(local) and not push(local) and push_erasure(local, ["someone"]) == 0 and not local.data.exists()


def test_of_two_pushes_at_once_neither_is_lost(a: ArchiveLayout, b: ArchiveLayout) -> None:
    put(a, "classface.toml", 'pack = "builtin"')
    push(a)
    pull(b)
    machines = (a, b)

    def work(number: int) -> None:
        for step in range(4):
            put(machines[number], f"stamps/{number}-{step}.json", f"{number} {step}")
            push(machines[number])

    threads = [threading.Thread(target=work, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pull(a), pull(b)
    assert contents(a) == contents(b) and len(contents(a)) == 9


def test_a_file_that_was_shared_meanwhile_is_not_replaced_by_one_made_without_it(
    a: ArchiveLayout, b: ArchiveLayout
) -> None:
    put(a, "classface.duckdb", "first")
    push(a)
    pull(b)
    put(b, "classface.duckdb", "made of the first")
    put(b, STAMP, "made")
    put(a, "classface.duckdb", "newer")
    push(a)
    push(b)
    pull(b), pull(a)
    assert contents(a) == contents(b) == {"classface.duckdb": "newer", STAMP: "made"}


def test_settings_that_people_changed_on_two_machines_are_both_there(a: ArchiveLayout, b: ArchiveLayout) -> None:
    put(a, "classface.toml", "school = 1")
    push(a)
    pull(b)
    put(b, "classface.toml", "school = 2")
    put(a, "classface.toml", "school = 30")
    push(a)
    pull(b)
    assert (b.local / "classface.toml").read_text() == "school = 30"
    assert (b.local / "classface.toml.mine").read_text() == "school = 2"


KILLED = """
import os, sys
from pathlib import Path
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import parse_location
from classface_assets.store.files.conditional import ConditionalObject
from classface_assets.store.published.shared_push import push
if sys.argv[3] == "before":
    ConditionalObject.write = lambda *_: os._exit(9)
else:
    from classface_assets.store.published import shared_push
    shared_push.write_cache_record = lambda *_: os._exit(9)
push(ArchiveLayout(Path("photos"), parse_location(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "behind"])
def test_killed_in_a_push_others_see_all_or_nothing(a: ArchiveLayout, b: ArchiveLayout, when: str) -> None:
    """Before the pointer is switched, and behind it."""
    put(a, "classface.duckdb", "old")
    put(a, STAMP, "old")
    push(a)
    put(a, "classface.duckdb", "new")
    put(a, STAMP, "new")
    done = subprocess.run([sys.executable, "-c", KILLED, str(a.data), str(a.local), when], env=os.environ, check=False)
    assert done.returncode == 9
    pull(b)
    assert set(contents(b).values()) == {"old" if when == "before" else "new"}
    push(a)
    pull(b), pull(a)
    assert set(contents(a).values()) == set(contents(b).values()) == {"new"}


def test_blobs_that_no_file_has_go_after_a_while_and_at_once_when_somebody_is_erased(
    a: ArchiveLayout, b: ArchiveLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(a, "classface.duckdb", "Ada and Ben")
    push(a)
    put(a, "classface.duckdb", "Ada, Ben and Eve")
    push(a)
    assert len(blobs(a)) == 2, "another machine may be about to read the first"
    monkeypatch.setattr(shared_pointer, "GRACE_S", -1.0)
    put(a, STAMP, "made")
    push(a)
    assert len(blobs(a)) == 2
    monkeypatch.undo()
    pull(b)
    put(a, "classface.duckdb", "Ada")
    (a.local / STAMP).unlink()
    assert push_erasure(a, ["ben"]) == 2
    pull(b)
    assert contents(b) == {"classface.duckdb": "Ada"} and len(blobs(a)) == 1


def test_what_was_made_while_another_machine_erased_somebody_is_thrown_away(a: ArchiveLayout, b: ArchiveLayout) -> None:
    put(a, "classface.duckdb", "Ada and Ben")
    push(a)
    pull(b)
    put(b, "albums/students/ben.html", "Ben")
    put(b, "classface.duckdb", "Ada and Ben, newer")
    put(a, "classface.duckdb", "Ada")
    push_erasure(a, ["ben"])
    with pytest.raises(ErasedMeanwhileError, match=r"^Another machine has erased a person .*; run again\.$"):
        push(b)
    assert contents(b) == {"classface.duckdb": "Ada"} and not b.albums.exists()
    assert locally_erased(b) == set(), "Dagster's records of this machine may still have a picture"
    assert not push(b)


def test_a_new_machine_has_nothing_of_who_was_erased_before(a: ArchiveLayout, b: ArchiveLayout) -> None:
    put(a, "classface.duckdb", "Ada")
    push_erasure(a, ["ben"])
    pull(b)
    assert locally_erased(b) == {"ben"}


def test_backups_alone_that_lie_on_a_machine_go_where_somebody_was_erased(a: ArchiveLayout, b: ArchiveLayout) -> None:
    put(b, "ledger_backups/2026-01-01.jsonl", "Ben")
    put(a, "classface.duckdb", "Ada")
    push_erasure(a, ["ben"])
    pull(b)
    assert not b.ledger_backups.exists() and locally_erased(b) == set(), "Dagster's records may still have a picture"


@pytest.mark.parametrize("how", ["missing", "other"])
def test_a_damaged_blob_is_shared_no_longer_and_can_be_made_again(
    a: ArchiveLayout, b: ArchiveLayout, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(a, "classface.duckdb", "rows")
    put(a, STAMP, "made")
    push(a)
    blob = blob_place(a, read_pointer(a)[0].files["classface.duckdb"].sha256)
    remove_file(blob) if how == "missing" else blob.write_bytes(b"rowx")
    pull(b)
    assert contents(b) == {STAMP: "made"} and "classface.duckdb" in caplog.text
    put(b, "classface.duckdb", "rows")
    push(b)
    pull(a)
    assert contents(a) == contents(b)


def test_what_a_newer_version_shares_is_refused_in_a_sentence(a: ArchiveLayout, b: ArchiveLayout) -> None:
    put(a, STAMP, "made")
    push(a)
    pointer = shared_pointer.pointer_object(a).place
    pointer.write_bytes(json.dumps({**json.loads(pointer.read_bytes()), "format": 2}).encode())
    with pytest.raises(SharedFormatError, match=r"newer version of classface_assets \(format 2, this one knows 1\)"):
        pull(b)
    put(a, STAMP, "made anew")
    with pytest.raises(SharedFormatError, match=r"install the same version on this machine\.$"):
        push(a)
    pointer.write_bytes(b"{")
    with pytest.raises(DamagedPointerError, match="does not say which files are shared"):
        pull(b)
    assert contents(b) == {}
