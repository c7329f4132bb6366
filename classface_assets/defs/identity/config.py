"""The run config of the assets that assign faces, made from AssignmentSettings: each setting is stated there alone."""

import ast
import inspect
from collections.abc import Mapping
from dataclasses import fields
from textwrap import dedent
from typing import Any, TypeVar, get_args, get_type_hints

import dagster as dg
from pydantic import Field, create_model

from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.settings import (
    STORED_NAMES,
    AssignmentSettings,
    ClusteringMethod,
    settings_for,
    stored_values,
    with_values,
)
from classface_assets.store.artifacts.thresholds import load_thresholds
from classface_assets.vision.models.pack_info import PackInfo

ConfigT = TypeVar("ConfigT", bound=dg.Config)

CHOICES = ("method", "assign", "scope", "linkage", "include_identified")
"""Settings that no pack and no calibration sets: their default is shown as it is."""
OF_THE_GRAPH = ("least_edge",)
"""Settings of the graph, which GraphConfig has."""
BOUNDS: Mapping[str, Mapping[str, Any]] = {
    "quality_threshold": {"ge": 0, "le": 1},
    "building_quality": {"ge": 0, "le": 1},
    "max_faces": {"ge": 0},
    "max_clusters": {"ge": 0},
    "time_bucket": {"pattern": r"^(\d{4}-(0[1-9]|1[0-2]))?$"},
    "min_cluster_size": {"ge": 2},
    "absence": {"ge": 0},
    "knn_neighbours": {"ge": 1},
    "follow_far": {"ge": 0},
    "follow_size": {"ge": 0},
}
"""What values are accepted, as pydantic's `Field` takes it."""


def with_assignment_settings(config: type[ConfigT]) -> type[ConfigT]:
    """Class decorator: adds a field for each setting of AssignmentSettings to a `dagster.Config`.

    The field's description is the docstring of the setting, with the values that were measured. Its default is None,
    which stands for these values, so that those fitted to the archive can take their place.
    """
    docs, types = attribute_docs(AssignmentSettings), get_type_hints(AssignmentSettings)
    for new, old in STORED_NAMES.items():
        docs = {name: text.replace(new, old) for name, text in docs.items()}
    added: dict[str, Any] = {}
    for setting in fields(AssignmentSettings):
        name, doc = STORED_NAMES.get(setting.name, setting.name), docs[setting.name]
        if name in OF_THE_GRAPH:
            continue
        if name in CHOICES:
            added[name] = types[setting.name], Field(default=setting.default, description=doc)
        else:
            field = Field(default=None, description=f"{doc} {measured_values(name)}", **BOUNDS.get(name, {}))
            added[name] = types[setting.name] | None, field
    model: type[ConfigT] = create_model(
        config.__name__, __base__=config, __module__=config.__module__, __doc__=config.__doc__, **added
    )
    return model


def attribute_docs(cls: type) -> dict[str, str]:
    """Name → the docstring below it, of the attributes of a class. Python itself does not keep them."""
    body = ast.parse(dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docs[name] = inspect.cleandoc(text).replace("\n", " ")
    return docs


def measured_values(name: str) -> str:
    """`builtin: 0.933 (hdbscan: 0.94), other packs: 0.455 (hdbscan: 0.44).`, or one value where both have the same."""
    builtin, others = _values_of_pack("builtin", name), _values_of_pack("other", name)
    return f"Default: {builtin}." if builtin == others else f"Default: {builtin} for builtin, {others} for other packs."


def _values_of_pack(pack: str, name: str) -> str:
    usual = stored_values(settings_for(pack))[name]
    by_method = {method: stored_values(settings_for(pack, method))[name] for method in get_args(ClusteringMethod)}
    different = [f"{method}: {value}" for method, value in by_method.items() if value != usual]
    return ("empty" if usual == "" else str(usual)) + (f" ({', '.join(different)})" if different else "")


@with_assignment_settings
class AssignmentConfig(dg.Config):
    """When a face is a known person, and when unknown faces are one person. Empty: what was measured for the pack."""

    all_anew: bool = Field(
        default=False,
        description="Cluster all unknown faces from scratch (`temporal`). Otherwise new faces join the existing "
        "clusters, and these are not split, until a tenth of the faces is new.",
    )

    def fingerprint_inputs(self) -> dict[str, object]:
        """What the result depends on: all but whether it is computed from scratch."""
        return self.model_dump(exclude={"all_anew"})

    def settings(self, pack: PackInfo, layout: ArchiveLayout) -> AssignmentSettings:
        """The settings given here; for the rest those fitted to the archive, else those measured for the pack."""
        names = {STORED_NAMES.get(field.name, field.name) for field in fields(AssignmentSettings)}
        given = {name: value for name, value in self.model_dump(include=names).items() if value is not None}
        method: ClusteringMethod = given["method"]
        fitted = load_thresholds(layout, pack.key, method)
        return with_values(settings_for(pack.name, method), {**fitted, **given})
