"""`classface label`, `confirm`, `link` …: what people say of faces. Each act says what it did and overruled."""

from collections.abc import Sequence
from typing import Any

import click

from classface_assets.cli.common import archive_options, echo_result

FACES_ARGUMENT = click.argument("faces", nargs=-1, required=True, metavar="FACE…")


@click.command()
@archive_options
@click.argument("cluster")
@click.argument("name")
def label(archive: Any, cluster: str, name: str) -> None:
    """Say who a cluster is (unknown_cluster_12), or a single face (its id). The next run learns from it."""
    from classface_assets.services.queries import find_faces
    from classface_assets.store.decisions.history import faces_are

    faces = find_faces(archive.layout.database, cluster)
    act = archive.open_ledger().label(name, faces, "hand" if [cluster] == [f.face_id for f in faces] else "cluster")
    echo_result(act, f"{faces_are(len(faces))} {act.person.name}.")
    click.echo("`classface run` carries it into the albums.")


@click.command()
@archive_options
@click.argument("person")
@FACES_ARGUMENT
def confirm(archive: Any, person: str, faces: Sequence[str]) -> None:
    """Yes, these faces (ids of faces or clusters) are that person."""
    act = archive.open_ledger().confirm(person, _resolve_faces(archive, faces))
    echo_result(act, f"Confirmed as {act.person.name}: {act.faces:,}.")


@click.command()
@archive_options
@click.argument("person")
@FACES_ARGUMENT
def reject(archive: Any, person: str, faces: Sequence[str]) -> None:
    """No, these faces are not that person, and are never taken for them again."""
    act = archive.open_ledger().reject(person, _resolve_faces(archive, faces))
    echo_result(act, f"They are not {act.person.name}.")


@click.command("take-off")
@archive_options
@FACES_ARGUMENT
def take_off(archive: Any, faces: Sequence[str]) -> None:
    """Take the name off these faces; they may be anybody's again."""
    act = archive.open_ledger().remove_labels(_resolve_faces(archive, faces))
    echo_result(act, f"Names taken off: {act.faces:,}.")


@click.command("not-a-face")
@archive_options
@FACES_ARGUMENT
def not_a_face(archive: Any, faces: Sequence[str]) -> None:
    """These are no faces; they are left out from now on."""
    act = archive.open_ledger().mark_not_faces(_resolve_faces(archive, faces))
    echo_result(act, f"Left out: {act.faces:,}.")


@click.command()
@archive_options
@FACES_ARGUMENT
def link(archive: Any, faces: Sequence[str]) -> None:
    """These faces are one person, whoever it is."""
    echo_result(archive.open_ledger().must_link(_resolve_faces(archive, faces)), "They stay together.")


@click.command()
@archive_options
@FACES_ARGUMENT
def unlink(archive: Any, faces: Sequence[str]) -> None:
    """No two of these faces are the same person."""
    echo_result(archive.open_ledger().cannot_link(_resolve_faces(archive, faces)), "They stay apart.")


@click.command()
@archive_options
@click.argument("photo")
@click.option("--mirror", is_flag=True, help="It is no collage, but shows a mirror.")
@click.option("--off", is_flag=True, help="It is neither.")
def collage(archive: Any, photo: str, mirror: bool, off: bool) -> None:
    """The photo (its path below the photos folder) may show a person more than once."""
    from classface_assets.services.queries import find_photo

    ledger, asset_id = archive.open_ledger(), find_photo(archive.layout.database, photo)
    act = ledger.unmark_photo(asset_id) if off else ledger.mark_photo(asset_id, "mirror" if mirror else "collage")
    echo_result(act, f"{photo} is {'no collage or mirror' if off else 'a mirror' if mirror else 'a collage'}.")


COMMANDS = (label, confirm, reject, take_off, not_a_face, link, unlink, collage)


def _resolve_faces(archive: Any, ids: Sequence[str]) -> list[Any]:
    from classface_assets.services.queries import find_faces

    return [face for one in ids for face in find_faces(archive.layout.database, one)]
