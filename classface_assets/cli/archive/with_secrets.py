"""`classface with-secrets`: another program, such as Dagster's, started with secrets that are in files."""

from __future__ import annotations

import os

import click

from classface_assets.core.errors import UserError


@click.command("with-secrets", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def with_secrets(command: tuple[str, ...]) -> None:
    """Start COMMAND, such as `dagster-daemon run`, in place of this process, with secrets from files.

    Where the environment has NAME_FILE, NAME becomes what is in that file: of CLASSFACE_LEDGER, CLASSFACE_TOKEN,
    CLASSFACE_FAILURE_WEBHOOK, DAGSTER_RECORDS, PGPASSWORD, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Commands of
    `classface` itself do so anyway.
    """
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise UserError(f"{command[0]} cannot be started ({error.strerror}).") from None


COMMANDS = (with_secrets,)
