"""How commands end in words: commands that can be copied as they stand, errors as text or JSON, questions."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping

import click

from classface_assets.core.errors import UserError

_COMMAND = re.compile(r"(?<!Another )`(classface [^`]+)`")
"""A command to copy; "Another `classface run` of this archive" is none."""
_PLACES = ("photos", "data", "local")


def echo_sentence(text: str, err: bool = False) -> None:
    """Print a sentence; commands in it name the archive of the command that is running."""
    context = click.get_current_context(silent=True)
    click.echo(copyable(text, context.params if context else {}), err=err)


def copyable(text: str, options: Mapping[str, object]) -> str:
    """The text; in its `classface …` commands are the places of the archive that this command was called with.

    Args:
        text: With commands in backticks.
        options: Of the command that is running, by parameter.
    """
    places = "".join(f" --{name} {shlex.quote(str(options[name]))}" for name in _PLACES if options.get(name))
    return _COMMAND.sub(lambda found: f"`{found[1]}{places}`", text) if places else text


def name_the_archive(error: UserError) -> None:
    """Complete the commands in an error's sentence by the places of the archive of the command that is running."""
    context = click.get_current_context(silent=True)
    if context and len(error.args) == 1 and isinstance(error.args[0], str):
        error.args = (copyable(error.args[0], context.params),)


def echo_error(sentence: str, exit_code: int, as_json: bool) -> None:
    """Print on standard error why a command failed: one sentence, or for programs an object in one line."""
    if as_json:
        sentence = json.dumps({"error": sentence, "exit_code": exit_code}, ensure_ascii=False)
    click.echo(sentence if as_json else f"classface: {sentence}", err=True)


def confirm(question: str, instead: str = "--yes") -> None:
    """Ask before something is done that cannot be taken back; whoever says no ends the command.

    Args:
        question: What is asked.
        instead: The option that says yes where nobody can answer.

    Raises:
        UserError: Standard input has no answer, as in a script.
    """
    try:
        agreed = click.confirm(question)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise UserError(f"Nobody is here to answer: {question.rstrip('?')}? Confirm it with {instead}.") from None
    if not agreed:
        raise click.Abort
