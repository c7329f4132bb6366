"""Kubernetes objects compared with the API as the package `kubernetes` describes it, which is made from its OpenAPI."""

import re
from collections.abc import Iterator

from kubernetes.client import models

KINDS = {"Deployment": "V1Deployment", "Service": "V1Service", "NetworkPolicy": "V1NetworkPolicy"}


def problems(value: object, kind: str, path: str = "") -> Iterator[str]:
    """What of a value is not as the API has it: unknown keys, missing ones, other types.

    Args:
        value: As it stands in the YAML file.
        kind: As in `openapi_types`: `V1Pod`, `list[V1Container]`, `dict[str, str]`, `str`.
        path: Of the value, for the sentences.
    """
    if inner := re.fullmatch(r"list\[(.*)\]", kind):
        yield from _of_list(value, inner[1], path)
    elif inner := re.fullmatch(r"dict\[str, (.*)\]", kind):
        yield from _of_mapping(value, inner[1], path)
    elif kind in ("object", "datetime"):
        return
    elif kind in ("str", "int", "bool", "float"):
        # Quantities and ports may be numbers; the client has them as text.
        allowed = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}[kind]
        if not isinstance(value, allowed) or (kind == "int" and isinstance(value, bool)):
            yield f"{path}: {value!r} is no {kind}"
    else:
        yield from _of_object(value, kind, path)


def _of_list(value: object, kind: str, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: no list"
        return
    for number, item in enumerate(value):
        yield from problems(item, kind, f"{path}[{number}]")


def _of_mapping(value: object, kind: str, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: no mapping"
        return
    for key, item in value.items():
        yield from problems(item, kind, f"{path}.{key}")


def _of_object(value: object, kind: str, path: str) -> Iterator[str]:
    model = getattr(models, kind)
    if not isinstance(value, dict):
        yield f"{path}: no {kind}"
        return
    attributes = {key: attribute for attribute, key in model.attribute_map.items()}
    for key, item in value.items():
        if key not in attributes:
            yield f"{path}: {kind} has no {key}"
        else:
            yield from problems(item, model.openapi_types[attributes[key]], f"{path}.{key}")
    try:
        model(**{attributes[key]: item for key, item in value.items() if key in attributes})
    except ValueError as error:  # of what must be there, and of patterns
        yield f"{path}: {error}"
