"""The persons of a view: finding them, and as the API returns them."""

from typing import Annotated, Any
from uuid import UUID

import polars as pl
from fastapi import Path

from classface_assets.core.names import normalize_name
from classface_assets.review.api.schemas.persons import Person
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.model.person_kinds import PersonKind

PersonId = Annotated[UUID, Path(alias="id")]


def filter_persons(view: ArchiveView, status: str | None = None, q: str | None = None) -> pl.DataFrame:
    """Select persons, sorted by name; the person that collects non-faces is left out.

    Args:
        view: The archive.
        status: active, merged or hidden; None selects all.
        q: A part of the name, ignoring case.

    Returns:
        Rows of `view.persons`.
    """
    rows = view.persons.filter(pl.col("kind") != PersonKind.NOT_A_FACE)
    if status is not None:
        rows = rows.filter(pl.col("status") == status)
    if q:
        rows = rows.filter(pl.col("folded").str.contains(normalize_name(q), literal=True))
    return rows


def person_row(view: ArchiveView, person_id: object) -> dict[str, Any]:
    """The row of a person.

    Raises:
        NotFoundError: There is no such person.
    """
    rows = view.persons.filter(pl.col("id") == str(person_id))
    if rows.is_empty():
        raise NotFoundError("person", person_id)
    return rows.row(0, named=True)


def person_models(rows: pl.DataFrame) -> list[Person]:
    """Rows of the view's persons as the API returns them."""
    return [Person(**row) for row in rows.select(*Person.model_fields).iter_rows(named=True)]


def person_model(view: ArchiveView, person_id: object) -> Person:
    """One person as the API returns it.

    Raises:
        NotFoundError: There is no such person.
    """
    row = person_row(view, person_id)
    return Person(**{name: row[name] for name in Person.model_fields})
