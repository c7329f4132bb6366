"""`classface …`, also as `python -m classface_assets.cli`: the group of all commands, and its exit code.

Every command takes --photos and --data. What a command does is in the module of its subject. What costs time to import
is imported by the command that needs it, so that `--help` is instant.
"""

import sys

import click

from classface_assets.cli import evaluate, faces, identity, ledger, maintenance, people, review, roster, run, years
from classface_assets.core.errors import UserError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Finds the students in a school's photos, year by year, and makes albums of them."""


MODULES = (run, years, faces, people, ledger, roster, review, identity, evaluate, maintenance)
for module in MODULES:
    for command in module.COMMANDS:
        cli.add_command(command)


def main() -> None:
    """Run the command; errors that people can do something about end in one sentence and exit code 1."""
    try:
        cli()
    except UserError as error:
        click.echo(f"classface: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        from classface_assets.core.storage_errors import as_storage_error

        sentence = as_storage_error(error, getattr(error, "filename", None) or "the archive")
        if sentence is None:
            raise
        click.echo(f"classface: {sentence}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
