"""`classface student`: which student of the school's rosters a person is."""

from typing import Any

import click

from classface_assets.cli.options import archive_options
from classface_assets.cli.told import tell_act


@click.command()
@archive_options
@click.argument("person")
@click.argument("student")
def student(archive: Any, person: str, student: str) -> None:
    """Say which student of the roster (a student id, or a name as "Anna Weiss (5c, 2011)") a person is.

    Needed where several students have one name: until then the person is refused what any of them was refused.
    """
    act = archive.open_ledger().link_student(person, student)
    known_by = f", id {act.person.student_id}" if act.person.student_id else ""
    tell_act(act, f"{act.person.display_name} is that student of the roster{known_by}.")


COMMANDS = (student,)
