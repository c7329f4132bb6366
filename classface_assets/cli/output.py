"""What commands print for programs: JSON, with nothing else on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Any

import click

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def echo_json(value: object) -> None:
    """Print a value as JSON: dataclasses as objects, frames as lists of rows, times in ISO format, paths as text."""
    click.echo(json.dumps(as_jsonable(value), ensure_ascii=False, indent=2))


def as_jsonable(value: Any) -> Any:  # whatever JSON can hold
    """The value in terms of what JSON knows; sets are sorted, so that the same answer is the same text."""
    if value is None or (isinstance(value, str | bool | int | float) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(as_jsonable(key)): as_jsonable(one) for key, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(as_jsonable(one) for one in value)
    if isinstance(value, list | tuple):
        return [as_jsonable(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "to_dicts"):
        return as_jsonable(value.to_dicts())
    return str(value)
