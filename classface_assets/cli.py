"""`classface …`: the pipeline and the names from the command line. Every command takes --photos and --data."""

import sys
from typing import Any

import click

from classface_assets import cli_identity, cli_ledger
from classface_assets.cli_evaluate import calibrate, evaluate
from classface_assets.cli_forget import forget
from classface_assets.cli_options import archive_options
from classface_assets.cli_review import review
from classface_assets.cli_roster import roster_group
from classface_assets.errors import UserError

# Everything that costs time to import is imported by the command that needs it, so that `--help` is instant.


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Finds the students in a school's photos, year by year, and makes albums of them."""


@cli.command()
@archive_options
@click.option("--years", help="Only these school years, separated by commas [all].")
@click.option("--pack", help="Model pack: builtin, buffalo_l, … or a folder [builtin].")
def run(archive: Any, years: str | None, pack: str | None) -> None:
    """Run the whole chain: faces, students, albums. Does only what is new."""
    from classface_assets.home import prepare, release
    from classface_assets.resources import models_for
    from classface_assets.running import Chain, chosen_years, terminal

    console = terminal()
    instance, _ = prepare(archive.layout)
    with instance:
        for freed in release(instance):
            console.print(f"Run {freed.run_id[:8]} ({freed.job} {freed.partition}) was killed; going on where it was.")
        chosen = chosen_years(archive.layout, years)
        stopped = Chain(instance, archive, models_for(pack), console).run(chosen, console.print)
    for stop in stopped:
        console.print(f"{stop.year} ({stop.job}): {stop.reason}", style="red", soft_wrap=True)
    if stopped:
        sys.exit(1)
    _print_stats(archive)
    click.echo(f"Albums: {(archive.layout.published_albums or archive.layout.albums) / 'index.html'}")


@cli.command()
@archive_options
@click.argument("cluster")
@click.argument("name")
def label(archive: Any, cluster: str, name: str) -> None:
    """Say who a cluster is (unknown_cluster_12), or a single face (its id). The next run learns from it."""
    from classface_assets.history import faces_are
    from classface_assets.naming import faces_of

    faces = faces_of(archive.layout.database, cluster)
    act = archive.open_ledger().label(name, faces, "hand" if [cluster] == [f.face_id for f in faces] else "cluster")
    click.echo("\n".join([f"{faces_are(len(faces))} {act.person.name}.", *act.notes]))
    click.echo("`classface run` carries it into the albums.")


@cli.command()
@archive_options
@click.argument("old")
@click.argument("new")
def rename(archive: Any, old: str, new: str) -> None:
    """Give a person another name."""
    click.echo(f"{old} is now {archive.open_ledger().rename(old, new).person.name}.")


@cli.command()
@archive_options
@click.argument("event", type=int, required=False)
def undo(archive: Any, event: int | None) -> None:
    """Take back the last decision, or the one of that number (see history)."""
    from classface_assets.history import sentences

    ledger = archive.open_ledger()
    undone = ledger.undo(event)
    events = ledger.events()
    told = dict(zip((e.id for e in events), sentences(events), strict=True))
    click.echo(f"Undone: {undone.id} {told[undone.id]}.")


@cli.command()
@archive_options
def history(archive: Any) -> None:
    """Every decision, oldest first, with who took it and when."""
    from classface_assets.history import history_lines

    for line in history_lines(archive.open_ledger().events()):
        click.echo(line)


@cli.command()
@archive_options
def people(archive: Any) -> None:
    """The names, and how many faces each has."""
    from classface_assets.naming import people_rows

    for name, faces, years in people_rows(archive.layout.database, archive.open_ledger().decisions()):
        click.echo(f"{name}\t{faces} {'face' if faces == 1 else 'faces'}\t{years}")


@cli.command()
@archive_options
def stats(archive: Any) -> None:
    """What was found: files by status, faces, students named and unknown."""
    _print_stats(archive)


@cli.command("release")
@archive_options
def release_command(archive: Any) -> None:
    """Free what killed runs still hold, so that nothing waits for them."""
    from classface_assets.home import open_instance, release

    with open_instance(archive.layout) as instance:
        freed = release(instance)
    for run in freed:
        click.echo(f"Freed: {run.job} {run.partition} ({run.run_id[:8]})")
    click.echo(f"Killed runs that were freed: {len(freed)}." if freed else "No killed run holds anything.")


@cli.command("prune")
@archive_options
@click.option("--pack", help="The model pack in use [builtin].")
@click.option("--keep", multiple=True, metavar="PACK", help="A further pack whose faces and vectors stay.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune_command(archive: Any, pack: str | None, keep: tuple[str, ...], yes: bool) -> None:
    """Remove what is no longer used: other thresholds and packs, and all that was made of deleted photos."""
    from classface_assets import upkeep
    from classface_assets.home import open_instance
    from classface_assets.resources import models_for
    from classface_assets.store.prune import prune

    with open_instance(archive.layout) as instance:
        upkeep.at_rest(instance)
        found = upkeep.unused(archive, [models_for(pack), *map(models_for, keep)])
        if not found:
            click.echo("There is nothing that is not used.")
            return
        click.echo("\n".join(upkeep.leftover_lines(found)))
        if not yes:
            click.confirm("Remove it?", abort=True)
            upkeep.at_rest(instance)
        prune(archive.layout, found)
        upkeep.forget_years(instance, archive.layout)
    click.echo("Removed.")


@cli.command("find-orphans")
@archive_options
@click.option("--pack", help="The model pack in use [builtin].")
@click.option("--fix", is_flag=True, help="Remove what is broken and make it again.")
def find_orphans_command(archive: Any, pack: str | None, fix: bool) -> None:
    """Compare photos, faces, vectors and the database both ways; exit code 1 when something does not fit."""
    from classface_assets import upkeep
    from classface_assets.home import prepare
    from classface_assets.resources import models_for
    from classface_assets.running import Chain, terminal

    models = models_for(pack)
    found = upkeep.orphans(archive, models)
    if found and fix:
        click.echo("\n".join(upkeep.orphan_lines(found)))
        console = terminal()
        instance, _ = prepare(archive.layout)
        with instance:
            upkeep.at_rest(instance)
            stopped = upkeep.fix(Chain(instance, archive, models, console), found, console.print)
        for stop in stopped:
            console.print(f"{stop.year} ({stop.job}): {stop.reason}", style="red", soft_wrap=True)
        found = upkeep.orphans(archive, models)
        click.echo("Mended." if not found else "This is left:")
    if found:
        click.echo("\n".join(upkeep.orphan_lines(found)))
        sys.exit(1)
    click.echo("Photos, faces, vectors and the database fit together.")


@cli.group("years")
def years_group() -> None:
    """The school years of the photos folder."""


@years_group.command()
@archive_options
def sync(archive: Any) -> None:
    """Register every school year with Dagster, so that --partition knows it."""
    from classface_assets.home import prepare
    from classface_assets.store.years import year_folders

    instance, new = prepare(archive.layout)
    instance.dispose()
    click.echo(f"{len(year_folders(archive.layout))} school years, new: {', '.join(new) or 'none'}")


def _print_stats(archive: Any) -> None:
    from classface_assets.naming import stats_lines

    for line in stats_lines(archive.layout.database):
        click.echo(line)


cli.add_command(review)
cli.add_command(forget)
cli.add_command(evaluate)
cli.add_command(calibrate)
cli.add_command(roster_group)
for decision in cli_ledger.COMMANDS:
    cli.add_command(decision)
for command in cli_identity.COMMANDS:
    cli.add_command(command)


def main() -> None:
    """The command; a user's mistake ends in one sentence and exit code 1."""
    try:
        cli()
    except UserError as error:
        click.echo(f"classface: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        from classface_assets.places import storage_error

        sentence = storage_error(error, getattr(error, "filename", None) or "the archive")
        if sentence is None:
            raise
        click.echo(f"classface: {sentence}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
