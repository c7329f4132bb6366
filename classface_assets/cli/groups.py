"""Groups of commands: help by sections, and groups that alone do what one of their commands does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

HELP_WIDTH = 110


class SectionedGroup(click.Group):
    """A group whose help lists its commands by sections, each with its first sentence whole."""

    sections: Mapping[str, Iterable[str]]
    """Title → names of commands."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, and last the commands that are in none."""
        listed = {name for names in self.sections.values() for name in names}
        rest = [name for name in self.list_commands(ctx) if name not in listed]
        for title, names in [*self.sections.items(), ("Other", rest)]:
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, first_sentence(command)) for name, command in commands if command and not command.hidden]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def first_sentence(command: click.Command) -> str:
    """The first paragraph of a command's help up to its first full stop, colon-separated lists included."""
    text = " ".join((command.help or "").strip().partition("\n\n")[0].split())
    head, stop, _ = text.partition(". ")
    return head + stop.strip()


class DefaultGroup(click.Group):
    """A group that alone does what one of its commands does; options before a subcommand count for that one."""

    def __init__(self, name: str, help: str) -> None:  # click's own name
        """Create it without commands.

        Args:
            name: Of the group.
            help: What it is for, and what it does alone.
        """
        super().__init__(name, help=help, invoke_without_command=True, callback=self._run)
        self._default: click.Command | None = None

    def default(self, command: click.Command) -> click.Command:
        """Decorates one of the group's commands as the one that it runs alone."""
        self._default = command
        self.params += command.params
        return command

    def _run(self, **given: object) -> None:
        context = click.get_current_context()
        if context.invoked_subcommand is None and self._default is not None:
            context.invoke(self._default, **given)
        elif context.invoked_subcommand is not None:
            context.default_map = {context.invoked_subcommand: {k: v for k, v in given.items() if v}}
