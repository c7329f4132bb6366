"""How processes of commands end: with the code of the command, after all that was to be written and closed."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
START = "import sys; from classface_assets.cli import __main__ as program; "


def end(*command: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    """Start the program with these arguments, after some more code."""
    code = f"{START}{given}sys.argv = ['classface', *sys.argv[1:]]; program.program()"
    return subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)


def test_the_exit_code_is_that_of_the_command(tmp_path: Path) -> None:
    assert end("--version").returncode == 0 and "classface" in end("--version").stdout
    assert end("no-such-command").returncode == 2
    lost = end("run", f"--photos={tmp_path / 'nothing'}", f"--data={tmp_path / 'data'}")
    assert lost.returncode == 1 and str(tmp_path / "nothing") in lost.stderr


def test_what_is_registered_for_the_end_happens_and_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "done"
    given = (
        f"import atexit, pathlib; atexit.register(pathlib.Path({str(file)!r}).touch); atexit.register(print, 'bye'); "
    )
    done = end("--version", given=given)
    assert done.stdout.endswith("bye\n") and file.exists() and done.returncode == 0


def test_a_thread_that_is_at_work_ends_its_work(tmp_path: Path) -> None:
    file = tmp_path / "done"
    work = f"lambda: (time.sleep(0.5), pathlib.Path({str(file)!r}).touch())"
    given = f"import pathlib, threading, time; threading.Thread(target={work}).start(); "
    assert end("--version", given=given).returncode == 0
    assert file.exists()


def test_an_error_that_nobody_foresaw_is_printed_whole() -> None:
    given = "program.cli.main = lambda **_: 1 / 0; "
    broken = end("--version", given=given)
    assert broken.returncode == 1 and "ZeroDivisionError" in broken.stderr


def test_python_is_not_taken_apart() -> None:
    given = "program.last = type('Last', (), {'__del__': lambda self: print('taken apart')})(); "
    assert "taken apart" not in end("--version", given=given).stdout
