"""The terminal of a run in this process: what Dagster prints there, sentences and progress bars."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from classface_assets.orchestration.progress import ProgressListener, TaskProgress


def console_log() -> dict[str, Any]:
    """Run config of what Dagster prints of a run: nothing, unless the log level (`classface --log-level`) says so."""
    level = logging.getLogger().getEffectiveLevel()
    name = logging.getLevelName(level) if level <= logging.INFO else "CRITICAL"
    return {"loggers": {"console": {"config": {"log_level": name}}}}


def stderr_console() -> Console:
    """A console on a copy of this process's error output: Dagster redirects the original one into each step's log.

    Without markup, since names may hold [brackets]. It prints nothing where only errors are logged (`classface
    --quiet`).
    """
    quiet = logging.getLogger().getEffectiveLevel() >= logging.ERROR
    try:
        stream = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8")
    except OSError:
        return Console(stderr=True, markup=False, highlight=False, quiet=quiet)
    return Console(file=stream, markup=False, highlight=False, quiet=quiet)


def unwrapped_printer(console: Console) -> Callable[[str], None]:
    """Prints sentences without wrapping them at the width of the terminal."""
    return lambda sentence: console.print(sentence, soft_wrap=True)


def progress_bar(console: Console) -> ProgressListener:
    """A progress bar for each long step; nothing where the console is no terminal."""

    @contextmanager
    def listen(progress: TaskProgress) -> Iterator[Callable[[], None]]:
        if not console.is_terminal:
            yield lambda: None
            return
        name, counts = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[counts]}", markup=False)
        columns = (SpinnerColumn(), name, BarColumn(), MofNCompleteColumn(), counts, TimeRemainingColumn())
        with Bars(*columns, console=console, transient=True) as bars:
            task = bars.add_task(progress.label, total=progress.total, counts="")
            yield lambda: bars.update(task, completed=progress.done, counts=progress.counts)

    return listen
