"""`classface label`, `confirm`, `link` …: decisions about faces. Each prints what it did and what it overruled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import archive_options, echo_result
from classface_assets.cli.completion import complete_people
from classface_assets.cli.messages import echo_sentence

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive
    from classface_assets.store.model.face_ref import FaceRef

FACES_ARGUMENT = click.argument("faces", nargs=-1, required=True, metavar="FACE…")


@click.command()
@archive_options
@click.argument("cluster")
@click.argument("name", shell_complete=complete_people)
def label(archive: Archive, cluster: str, name: str) -> None:
    """Name a cluster (unknown_cluster_12), or a single face (its id). The next run learns from it."""
    from classface_assets.services.queries import find_faces
    from classface_assets.store.decisions.history import faces_are

    faces = find_faces(archive.layout.database, cluster)
    result = archive.open_ledger().label(name, faces, "hand" if [cluster] == [f.face_id for f in faces] else "cluster")
    echo_result(result, f"{faces_are(len(faces))} {result.person.name}.")
    echo_sentence("`classface run` brings it into the albums.")


@click.command()
@archive_options
@click.argument("person", shell_complete=complete_people)
@FACES_ARGUMENT
def confirm(archive: Archive, person: str, faces: Sequence[str]) -> None:
    """Yes, these faces (ids of faces or clusters) are that person."""
    result = archive.open_ledger().confirm(person, _resolve_faces(archive, faces))
    echo_result(result, f"Confirmed as {result.person.name}: {result.faces:,}.")


@click.command()
@archive_options
@click.argument("person", shell_complete=complete_people)
@FACES_ARGUMENT
def reject(archive: Archive, person: str, faces: Sequence[str]) -> None:
    """No, these faces are not that person; they are never matched with them again."""
    result = archive.open_ledger().reject(person, _resolve_faces(archive, faces))
    echo_result(result, f"They are not {result.person.name}.")


@click.command("take-off")
@archive_options
@FACES_ARGUMENT
def take_off(archive: Archive, faces: Sequence[str]) -> None:
    """Remove the name from these faces; they may be matched with anybody again."""
    result = archive.open_ledger().remove_labels(_resolve_faces(archive, faces))
    echo_result(result, f"Names taken off: {result.faces:,}.")


@click.command("not-a-face")
@archive_options
@FACES_ARGUMENT
def not_a_face(archive: Archive, faces: Sequence[str]) -> None:
    """These are no faces; they are left out from now on."""
    result = archive.open_ledger().mark_not_faces(_resolve_faces(archive, faces))
    echo_result(result, f"Left out: {result.faces:,}.")


@click.command()
@archive_options
@FACES_ARGUMENT
def link(archive: Archive, faces: Sequence[str]) -> None:
    """These faces are one person, whoever it is."""
    echo_result(archive.open_ledger().must_link(_resolve_faces(archive, faces)), "They stay together.")


@click.command()
@archive_options
@FACES_ARGUMENT
def unlink(archive: Archive, faces: Sequence[str]) -> None:
    """No two of these faces are the same person."""
    echo_result(archive.open_ledger().cannot_link(_resolve_faces(archive, faces)), "They stay apart.")


@click.command()
@archive_options
@click.argument("photo")
@click.option("--mirror", is_flag=True, help="It is no collage, but shows a mirror.")
@click.option("--off", is_flag=True, help="It is neither.")
def collage(archive: Archive, photo: str, mirror: bool, off: bool) -> None:
    """The photo (its path below the photos folder) may show a person more than once."""
    from classface_assets.services.queries import find_photo

    ledger, asset_id = archive.open_ledger(), find_photo(archive.layout.database, photo)
    result = ledger.unmark_photo(asset_id) if off else ledger.mark_photo(asset_id, "mirror" if mirror else "collage")
    echo_result(result, f"{photo} is {'no collage or mirror' if off else 'a mirror' if mirror else 'a collage'}.")


COMMANDS = (label, confirm, reject, take_off, not_a_face, link, unlink, collage)


def _resolve_faces(archive: Archive, ids: Sequence[str]) -> list[FaceRef]:
    """The faces of these ids of faces or clusters."""
    from classface_assets.services.queries import find_faces

    return [face for one in ids for face in find_faces(archive.layout.database, one)]
