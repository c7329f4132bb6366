"""The run config of the assets that assign faces, made from AssignmentSettings: each setting is stated there alone."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Optional, TypeVar, get_args

import dagster as dg
from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.names import join_names
from classface_assets.identity.settings import (
    STORED_NAMES,
    AssignmentSettings,
    ClusteringMethod,
    settings_for,
    with_values,
)
from classface_assets.store.artifacts.thresholds import load_thresholds
from classface_assets.vision.models.pack_info import PackInfo
from classface_assets.vision.models.pack_names import BUILTIN, DLIB

ConfigT = TypeVar("ConfigT", bound=dg.Config)

SETTINGS: Mapping[str, FieldInfo] = AssignmentSettings.__pydantic_fields__  # type: ignore[attr-defined] # by pydantic
CHOICES = ("method", "assign", "scope", "linkage", "include_identified")
"""Settings that no pack and no calibration sets: their default is shown as it is."""
OF_THE_GRAPH = ("min_edge_similarity",)
"""Settings of the graph, which GraphConfig has."""


def with_assignment_settings(config: type[ConfigT]) -> type[ConfigT]:
    """Class decorator: adds a field for each setting of AssignmentSettings to a `dagster.Config`.

    The field has the name that run configs have stored, the bounds of the setting, and its docstring as description,
    with the values that were measured. Its default is None, which means these values, so that those fitted to the
    archive can take their place.
    """
    added: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        if name in OF_THE_GRAPH:
            continue
        key, doc = (
            STORED_NAMES.get(name, name),
            _with_keys(setting.description or ""),
        )
        if name in CHOICES:
            added[key] = (
                setting.annotation,
                Field(default=setting.default, description=doc),
            )
        else:
            optional: Any = Optional[setting.annotation]  # noqa: UP045 - of a value
            bounded = Annotated[(optional, *setting.metadata)] if setting.metadata else optional
            added[key] = (
                bounded,
                Field(default=None, description=f"{doc} {measured_values(name)}"),
            )
    model: type[ConfigT] = create_model(
        config.__name__,
        __base__=config,
        __module__=config.__module__,
        __doc__=config.__doc__,
        **added,
    )
    return model


def _with_keys(doc: str) -> str:
    """A docstring in one line, with the keys of the run config instead of the names of fields."""
    return re.sub(
        r"\w+_\w+",
        lambda found: STORED_NAMES.get(found[0], found[0]),
        doc.replace("\n", " "),
    )


def measured_values(name: str) -> str:
    """`Default: 0.455 (hdbscan: 0.44) for builtin and other packs, 0.933 (hdbscan: 0.94) for dlib.`, or one value."""
    packs: dict[str, list[str]] = {}
    for pack in (BUILTIN, DLIB, "other packs"):
        packs.setdefault(_values_of_pack(pack, name), []).append(pack)
    if len(packs) == 1:
        return f"Default: {next(iter(packs))}."
    return f"Default: {', '.join(f'{value} for {join_names(names)}' for value, names in packs.items())}."


def _values_of_pack(pack: str, name: str) -> str:
    usual = getattr(settings_for(pack), name)
    by_method = {method: getattr(settings_for(pack, method), name) for method in get_args(ClusteringMethod)}
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
        keys = {STORED_NAMES.get(name, name) for name in SETTINGS}
        given = {name: value for name, value in self.model_dump(include=keys).items() if value is not None}
        method: ClusteringMethod = given["method"]
        return with_values(
            settings_for(pack.embedder, method),
            {**load_thresholds(layout, pack.key, method), **given},
        )
