"""One machine at a time publishes an archive at a URL: who waits, and for whom; a machine that dies."""

import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from upath import UPath

from classface_assets.core.errors import StorageError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import list_files_recursive
from classface_assets.store.published import publishing_lease as lease
from classface_assets.store.published.publishing_lease import (
    LeaseHeldError,
    LeaseLostError,
    lease_object,
    publishing_lease,
    require_lease,
)


@pytest.fixture
def layout(bucket: UPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArchiveLayout:
    for name, seconds in {"BEAT_S": 0.1, "DEAD_AFTER_S": 0.6, "LOOK_EVERY_S": 0.05}.items():
        monkeypatch.setattr(lease, name, seconds)
    return ArchiveLayout(bucket / "photos", bucket / "data", tmp_path / "local")


HOLDER = """
import sys, time
from pathlib import Path
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import parse_location
from classface_assets.store.published import publishing_lease as lease
lease.BEAT_S = 0.1
with lease.publishing_lease(ArchiveLayout(Path("p"), parse_location(sys.argv[1]), Path(sys.argv[2])), "classface run"):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""


def holder(layout: ArchiveLayout, local: str, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HOLDER, str(layout.data), local, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)
    assert process.stdout and process.stdout.readline() == b"held\n"
    process.stdout.close()
    return process


@pytest.mark.slow
def test_who_waits_is_told_for_whom_and_goes_on_when_the_other_is_done(layout: ArchiveLayout) -> None:
    process, sentences = holder(layout, "/elsewhere", 1.5), list[str]()
    with pytest.raises(LeaseHeldError, match=r"`classface run` on .* publishes this archive since .*; try again"):
        publishing_lease(layout, "classface forget", wait=False).__enter__()
    with publishing_lease(layout, "classface run", sentences.append):
        assert process.wait() == 0, "its holder had ended"
    who = f"`classface run` on {platform.node()} (process {process.pid} of "
    assert len(sentences) == 1 and sentences[0].startswith(who) and sentences[0].endswith("; waiting until it is done.")
    assert not list_files_recursive(layout.data), "and nothing of it stays"


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["/elsewhere", "here"])
def test_a_machine_that_dies_loses_the_lease(layout: ArchiveLayout, folder: str) -> None:
    """After a while; a process of the same machine and folder at once."""
    is_own = folder == "here"
    process = holder(layout, str(layout.local) if is_own else folder, 60)
    process.kill()
    process.wait()
    began = time.monotonic()
    with publishing_lease(layout, "classface run"):
        waited = time.monotonic() - began
        assert (waited < 0.5) if is_own else (waited >= 0.6)


def test_who_lost_the_lease_publishes_nothing(layout: ArchiveLayout) -> None:
    with publishing_lease(layout, "classface run") as is_new:
        assert is_new
        with publishing_lease(layout, "an asset within") as is_new:
            assert not is_new
        require_lease(layout)
        lease_object(layout).place.write_bytes(b"of another machine")
        with pytest.raises(LeaseLostError, match=r"nothing is published from here\. Run again\.$"):
            require_lease(layout)
    assert lease_object(layout).place.read_bytes() == b"of another machine"


def test_a_lease_that_could_not_be_given_back_is_taken_again_by_its_process(
    layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StorageError("The server is away.")

    with monkeypatch.context() as patch:
        patch.setattr(lease.ConditionalObject, "remove", away)
        with publishing_lease(layout, "classface forget"):
            pass
    assert lease_object(layout).place.exists()
    with publishing_lease(layout, "classface forget", wait=False) as is_new:
        assert is_new


def test_of_many_that_want_it_at_once_one_has_it(layout: ArchiveLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = 0, 0

    def work(number: int) -> None:
        nonlocal inside, most
        own = ArchiveLayout(layout.photos, layout.data, layout.local / str(number))
        note = lease._own_note(own, "classface run")
        held = lease._acquire(lease_object(own), note, lambda _: None, wait=True)
        inside += 1
        most = max(most, inside)
        time.sleep(0.05)
        inside -= 1
        held.release()

    monkeypatch.setattr(lease, "DEAD_AFTER_S", 30.0)
    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_lease_says_who_holds_it_and_local_data_have_none(layout: ArchiveLayout, tmp_path: Path) -> None:
    with publishing_lease(layout, "classface run"):
        note = json.loads(lease_object(layout).place.read_bytes())
        assert (note["command"], note["process"]) == ("classface run", os.getpid())
    local = ArchiveLayout(tmp_path / "photos", tmp_path / "data")
    with publishing_lease(local, "classface run") as is_new:
        assert not is_new and not local.data.exists()
