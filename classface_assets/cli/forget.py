"""`classface forget`: a person is taken out of everything, and a receipt says of what."""

import sys
from typing import Any

import click

from classface_assets.cli.options import PACK, archive_options
from classface_assets.cli.told import tell_stopped


@click.command()
@archive_options
@click.argument("person", required=False)
@PACK
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-run", is_flag=True, help="Leave making the albums anew to the next run.")
def forget(archive: Any, person: str | None, pack: str | None, yes: bool, no_run: bool) -> None:
    """Erase a person (name or id): vectors, faces, crops, names, training. Prints a receipt; photos are never touched.

    Their faces are never searched for again. Without a person, an erasure that was interrupted is finished.
    """
    from classface_assets import forgetting
    from classface_assets.home import prepare
    from classface_assets.resources import models_for
    from classface_assets.running import Chain, chosen_years, terminal, whole_line
    from classface_assets.turns import turn

    if person is not None and not yes:
        whose, faces = forgetting.whom(archive, person)
        if not whose.erased:
            click.confirm(f"Erase {whose.name} and {len(faces):,} faces for good?", abort=True)
    instance, _ = prepare(archive.layout)
    with instance:
        receipt = (
            forgetting.finish(archive, instance) if person is None else forgetting.forget(archive, instance, person)
        )
        click.echo("\n".join(receipt.lines()))
        if no_run:
            return
        console = terminal()
        chain = Chain(instance, archive, models_for(pack), console)
        with turn(archive.layout, "classface forget", whole_line(console)):
            stopped = chain.run(chosen_years(archive.layout, None), console.print)
    tell_stopped(console, stopped)
    sys.exit(1 if stopped else 0)


COMMANDS = (forget,)
