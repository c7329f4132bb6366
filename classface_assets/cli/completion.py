"""`classface completion`, and the values that a shell completes: people, school years, model packs."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

PROGRAM = "classface"
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script by which a shell completes commands, options and names.

    Put it where the shell reads it at its start: bash: `classface completion bash >> ~/.bashrc`; zsh: `classface
    completion zsh >> ~/.zshrc`; fish: `classface completion fish > ~/.config/fish/completions/classface.fish`.
    """
    root = click.get_current_context().find_root().command
    for known in filter(None, [get_completion_class(shell)]):
        click.echo(known(root, {}, PROGRAM, f"_{PROGRAM}_complete".upper()).source())


def complete_packs(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """The model packs that there are: those of the program, and those in the folder of the archive."""
    from classface_assets.vision.models.pack_names import PACK_NAMES

    folder = _local_folder(context) / "packs"
    own = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    return [CompletionItem(name) for name in sorted({*PACK_NAMES, *own}) if name.startswith(typed)]


def complete_people(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """The names of people in the ledger that begin so; none where there is no ledger, or it cannot be read."""
    file, url = _local_folder(context) / "ledger.sqlite", os.environ.get("CLASSFACE_LEDGER", "")
    if not url and not file.exists():
        return []
    from classface_assets.core.errors import UserError
    from classface_assets.store.ledger.ledger import Ledger
    from classface_assets.store.model.person_kinds import PersonStatus

    try:
        decisions = Ledger(url or f"sqlite:///{file.absolute()}").decisions()
    except UserError:
        return []
    people = [p for p in decisions.persons.values() if p.status == PersonStatus.ACTIVE and not p.erased]
    names = sorted({person.display_name for person in people})
    return [CompletionItem(name) for name in names if name.casefold().startswith(typed.casefold())]


def complete_years(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """The school years that the archive knows, and after a comma the others of them."""
    from classface_assets.core.errors import UserError
    from classface_assets.core.layout import ArchiveLayout
    from classface_assets.store.catalog.school_year import list_school_years

    data = context.params.get("data") or os.environ.get("CLASSFACE_DATA") or "data"
    try:
        years = [] if "://" in data else list_school_years(ArchiveLayout(Path("photos"), Path(data)))
    except (UserError, OSError):
        return []
    before, comma, prefix = typed.rpartition(",")
    chosen = before.split(",")
    return [CompletionItem(f"{before}{comma}{y}") for y in sorted(years) if y.startswith(prefix) and y not in chosen]


def _local_folder(context: click.Context) -> Path:
    """The archive's folder on this machine, by the options typed so far."""
    data = context.params.get("data") or os.environ.get("CLASSFACE_DATA") or "data"
    return Path(context.params.get("local") or os.environ.get("CLASSFACE_LOCAL") or ("data" if "://" in data else data))


COMMANDS = (completion,)
