"""The rows of persons that a view shows, and as they are told."""

from typing import Annotated, Any
from uuid import UUID

import polars as pl
from fastapi import Path

from classface_assets.core.names import normalize_name
from classface_assets.review.api.schemas.persons import Person
from classface_assets.review.problems import NotFoundError
from classface_assets.services.archive_view.model import ArchiveView

PersonId = Annotated[UUID, Path(alias="id")]


def filter_persons(view: ArchiveView, status: str | None = None, q: str | None = None) -> pl.DataFrame:
    """The rows of the view's persons that are asked for, by name; what was said to be no face is nobody."""
    rows = view.persons.filter(pl.col("kind") != "not a face")
    if status is not None:
        rows = rows.filter(pl.col("status") == status)
    if q:
        rows = rows.filter(pl.col("folded").str.contains(normalize_name(q), literal=True))
    return rows


def person_row(view: ArchiveView, person_id: object) -> dict[str, Any]:
    """The row of a person. Raises NotFoundError."""
    rows = view.persons.filter(pl.col("id") == str(person_id))
    if rows.is_empty():
        raise NotFoundError("person", person_id)
    return rows.row(0, named=True)


def person_models(rows: pl.DataFrame) -> list[Person]:
    """The persons of rows of the view."""
    return [Person(**row) for row in rows.select(*Person.model_fields).iter_rows(named=True)]


def person_model(view: ArchiveView, person_id: object) -> Person:
    row = person_row(view, person_id)
    return Person(**{name: row[name] for name in Person.model_fields})
