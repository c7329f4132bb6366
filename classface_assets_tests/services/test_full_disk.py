"""A disk of 60 MB that runs full, or can suddenly only be read: one sentence, nothing lost, then the rest."""

import shutil
from pathlib import Path

import pytest

from classface_assets_tests.defs.test_ingest import own_disk
from classface_assets_tests.services.test_kills import (
    ALL_KILLS,
    NAME,
    Prepared,
    album_files,
    database,
    driver,  # noqa: F401
    groups_and_numbers,
    prepared,  # noqa: F401
    traces,
)
from classface_assets_tests.support.kill_driver import KillDriver, kill_driver

pytestmark = pytest.mark.slow

LEFT = (0, 20_000, 150_000, 600_000, 1_500_000) if ALL_KILLS else (20_000,)
"""Bytes: too few for a table, for the database, for a page."""
FULL = ("no space left", "is full", "cannot be used", "cannot be written", "No space left")
READ_ONLY = ("can only be read", "readonly", "read-only", "Read-only")


class SmallDisk:
    """An archive whose data lie on a file system of its own, which only the driver's processes see."""

    def __init__(self, start: Path, folder: Path, small: KillDriver) -> None:
        self.folder, self.small = folder, small
        shutil.copytree(start / "photos", folder / "photos", dirs_exist_ok=True)
        self.do("copy_in", source=str(start))

    def do(self, step: str, **arguments: object) -> None:
        outcome = self.small.run(step, self.folder, **arguments)
        assert outcome.code == 0, outcome

    def fails(self, step: str, words: tuple[str, ...], **arguments: object) -> bool:
        """Whether the step failed, in one sentence with one of these words; it may need less than is left."""
        outcome = self.small.run(step, self.folder, **arguments)
        assert outcome.code in (0, 3), outcome
        if outcome.code == 3:
            assert any(word in outcome.error for word in words) and "\n" not in outcome.error, outcome.error
        return outcome.code == 3

    def copied(self, target: Path) -> Path:
        self.do("copy_out", target=str(target))
        shutil.copytree(self.folder / "photos", target / "photos", dirs_exist_ok=True)
        return target


@pytest.mark.parametrize("step", ["publish", "album", "forget", "ledger"] if ALL_KILLS else ["publish"])
def test_a_full_or_read_only_disk_ends_a_step_in_one_sentence_and_the_next_call_completes_it(
    prepared: Prepared,  # noqa: F811
    tmp_path: Path,
    step: str,
) -> None:
    start = {"publish": prepared.old, "album": prepared.published}.get(step, prepared.shown)
    arguments = {"forget": {"who": NAME}}.get(step, {})
    (tmp_path / "archive" / "data").mkdir(parents=True)
    with kill_driver(own_disk(tmp_path / "archive" / "data")) as small:
        disk = SmallDisk(start, tmp_path / "archive", small)
        disk.do("remount", how="ro")
        assert disk.fails(step, READ_ONLY, **arguments)
        disk.do("remount", how="rw")
        failed = 0
        for number, left in enumerate(LEFT):
            disk.do("fill", leave=left)
            failed += disk.fails(step, (*FULL, f"Nobody is called {NAME!r}"), **arguments)
            disk.do("free")
            if not number:
                left_over = disk.copied(tmp_path / "meanwhile")
                assert groups_and_numbers(left_over), "the published database can be read"
        assert failed or step == "ledger"
        assert disk.small.run(step, disk.folder, **arguments).code in (0, 3)
        done = disk.copied(tmp_path / "done")
    if step == "publish":
        assert groups_and_numbers(done) == groups_and_numbers(prepared.published)
    elif step == "album":
        assert album_files(done) == album_files(prepared.shown)
    elif step == "forget":
        assert database(done)["face_instances"].equals(database(prepared.forgotten)["face_instances"])
        gone = set(database(prepared.shown)["face_instances"]["id"]) - set(database(done)["face_instances"]["id"])
        assert traces(done, NAME, gone) == []
