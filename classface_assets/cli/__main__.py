"""`classface …`, also as `python -m classface_assets.cli`: the group of all commands, and its exit code.

Every command takes --photos and --data. What a command does is in the module of its subject. What costs time to import
is imported by the command that needs it, so that `--help` is instant.
"""

import logging
import os
import sys
from pathlib import Path

import click

from classface_assets.cli import completion, run
from classface_assets.cli.albums import captions, coverage, export
from classface_assets.cli.archive import dagster, ledger, maintenance, review, settings, with_secrets, workspace, years
from classface_assets.cli.groups import HELP_WIDTH, SectionedGroup
from classface_assets.cli.identity import evaluate, faces, identity, session
from classface_assets.cli.leaving import leave
from classface_assets.cli.messages import echo_error
from classface_assets.cli.people import people, regions, roster
from classface_assets.core.errors import UserError
from classface_assets.orchestration.settings.secret_files import read_secret_files

SECTIONS = {
    "Run": ("run", "review", "stats", "made", "settings", "years"),
    "Name people": (
        *("label", "confirm", "reject", "take-off", "not-a-face", "link", "unlink", "split", "collage", "undo"),
        *("history", "people", "rename", "merge", "hide", "kind", "birth-date", "siblings", "student", "roster"),
    ),
    "Consent and erasure": ("consent", "forget"),
    "Albums and exports": ("albums", "captions", "export", "coverage", "regions", "session"),
    "Recognition": (
        *("assign", "reassign", "cluster-dual", "train", "train-matching", "calibrate", "evaluate"),
        *("changes", "centroids"),
    ),
    "Care of the archive": (
        *("ledger", "find-orphans", "prune", "release", "dagster-config", "workspace", "logins", "with-secrets"),
        "completion",
    ),
}


@click.group(
    cls=SectionedGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH}
)
@click.version_option(None, "--version", package_name="classface_assets", message="classface %(version)s")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What is logged on standard error; info and debug include Dagster's events.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print only results and errors: no progress, no notes.")
def cli(log_level: str, quiet: bool) -> None:
    """Finds the students in a school's photos, year by year, and makes albums of them.

    Every command ends with exit code 0 when it did what it says, 1 when it could not (one sentence says why), 2 when it
    was called in a wrong way.
    """
    logging.basicConfig(
        level="ERROR" if quiet else log_level.upper(), format="%(levelname)s %(name)s: %(message)s", force=True
    )


cli.sections = SECTIONS
MODULES = (
    run,
    settings,
    years,
    faces,
    people,
    captions,
    regions,
    ledger,
    roster,
    review,
    identity,
    evaluate,
    export,
    coverage,
    session,
    maintenance,
    dagster,
    workspace,
    with_secrets,
    completion,
)
for module in MODULES:
    for command in module.COMMANDS:
        cli.add_command(command)


def main() -> None:
    """Run the command; errors that people can do something about end in one sentence and exit code 1."""
    as_json = "--json" in sys.argv[1:]
    try:
        read_secret_files(os.environ)
        code = cli.main(prog_name="classface" if as_json else None, standalone_mode=not as_json)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        echo_error(error.format_message(), error.exit_code, as_json)
        sys.exit(error.exit_code)
    except click.Abort:
        echo_error("It was ended before it was done.", 1, as_json)
        sys.exit(1)
    except UserError as error:
        echo_error(str(error), 1, as_json)
        sys.exit(1)
    except Exception as error:
        from classface_assets.core.errors import as_storage_error
        from classface_assets.orchestration.records.database import as_database_error
        from classface_assets.orchestration.records.sqlite.damaged_records import as_damaged_records_error

        sentence = (
            as_damaged_records_error(error)
            or as_database_error(error, Path(os.environ.get("DAGSTER_HOME", "")))
            or as_storage_error(error, getattr(error, "filename", None) or "the archive")
        )
        if sentence is None:
            raise
        echo_error(str(sentence), 1, as_json)
        sys.exit(1)


def program() -> None:
    """What `classface` starts: `main`, after which the process ends at once."""
    try:
        main()
    except SystemExit as end:
        leave(end.code)
        raise


if __name__ == "__main__":
    program()
