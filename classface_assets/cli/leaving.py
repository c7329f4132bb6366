"""How a command's process ends: at once, once everything is written, closed and printed."""

import atexit
import os
import sys
import threading


def leave(code: str | int | None) -> None:
    """End this process with the exit code of a SystemExit, without taking Python apart.

    Taking apart the packages that a run has imported takes a second, of which nobody has anything: the operating
    system frees memory and files at once. What was registered with `atexit` runs before, as at the end of Python, and
    what was printed is written out. Databases and locks are closed by then: commands close them themselves.

    Where a thread is still at work, or nobody reads any more what was printed, it returns, and Python ends as always.

    Args:
        code: What `sys.exit` was called with.
    """
    if not isinstance(code, int | None) or _threads_at_work():
        return
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # Python has an exit code of its own for that
        return
    os._exit(code or 0)


def _threads_at_work() -> bool:
    main = threading.main_thread()
    return any(thread is not main and not thread.daemon for thread in threading.enumerate())
