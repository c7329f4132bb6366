"""The run config of the assets that assign faces, made from AssignmentSettings: each setting is stated there alone."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Optional, TypeVar, get_args

import dagster as dg
from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.names import join_names
from classface_assets.defs.identity.only import OnlyConfig
from classface_assets.identity.settings import (
    SETTINGS_OF_GROUP,
    STORED_NAMES,
    AssignmentSettings,
    ClusteringMethod,
    SettingGroup,
    settings_for,
    with_values,
)
from classface_assets.orchestration.settings.file import lasting_assignment
from classface_assets.services.identity.presets import Preset, calibrated_settings
from classface_assets.vision.models.pack_info import PackInfo
from classface_assets.vision.models.pack_names import BUILTIN, DLIB

PresetName = Literal["high-precision", "balanced", "fast"]
"""Preset as Dagster's run configuration shows it."""
ConfigT = TypeVar("ConfigT", bound=dg.Config)

SETTINGS: Mapping[str, FieldInfo] = AssignmentSettings.__pydantic_fields__  # type: ignore[attr-defined] # by pydantic
CHOICES = ("method", "assign", "scope", "linkage", "include_identified")
"""Settings that no pack and no calibration sets: their default is shown as it is."""
OF_THE_GRAPH = ("min_edge_similarity",)
"""Settings of the graph, which GraphConfig has."""
_GROUP_OF = {name: group for group, names in SETTINGS_OF_GROUP.items() for name in names}


def with_assignment_settings(config: type[ConfigT]) -> type[ConfigT]:
    """Class decorator: adds a field for each setting of AssignmentSettings to a `dagster.Config`.

    The field has the name that run configs have stored, the bounds of the setting, and as description its group and its
    docstring, with the values that were measured. Its default is None, which means these values, so that those fitted
    to the archive can take their place.
    """
    added: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        if name in OF_THE_GRAPH:
            continue
        key, doc = (
            STORED_NAMES.get(name, name),
            _GROUP_OF[name].describe(_with_keys(setting.description or "")),
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
class AssignmentConfig(OnlyConfig):
    """When a face is a known person, and when unknown faces are one person. Empty: what was measured for the pack."""

    all_anew: bool = Field(
        default=False,
        description=SettingGroup.UNKNOWN_FACES.describe(
            "Cluster all unknown faces from scratch (`temporal`). Otherwise new faces join the existing clusters, and "
            "these are not split, until a tenth of the faces is new."
        ),
    )

    preset: PresetName = Field(
        default="balanced",
        description=SettingGroup.WHOLE_RUN.describe(
            "`high-precision`: rather no name than a wrong one; `fast`: one mean a person and year, nothing is "
            "followed through the years, poor faces are not clustered; `balanced`: the settings as they are. Settings "
            "that are given beside it count more."
        ),
    )

    def fingerprint_inputs(self, layout: ArchiveLayout) -> dict[str, object]:
        """What the result depends on: all but whether it is computed from scratch.

        Restrictions that are not given are left out: results that were stored before there were any stay valid.
        """
        unused = {name for name in OnlyConfig.model_fields if not getattr(self, name)}
        unused |= {"preset"} if self.preset == "balanced" else set()
        return {**self.model_dump(exclude={"all_anew", *unused}), **self._given(layout)}

    def settings(self, pack: PackInfo, layout: ArchiveLayout) -> AssignmentSettings:
        """The settings given here; for the rest those that last, were fitted, or were measured for the pack.

        A preset changes all but those given here.
        """
        given = self._given(layout)
        method: ClusteringMethod = given["method"]
        if self.preset == "balanced":
            return with_values(calibrated_settings(layout, pack, method), given)
        return with_values(calibrated_settings(layout, pack, method, Preset(self.preset)), self._given_here())

    def _given_here(self) -> dict[str, Any]:
        """The settings given here: a choice that is its default is none, so that a preset may change it."""
        chosen = self._values().items()
        return {key: value for key, value in chosen if key not in CHOICES or value != SETTINGS[key].default}

    def _values(self) -> dict[str, Any]:
        keys = {STORED_NAMES.get(name, name) for name in SETTINGS}
        return {name: value for name, value in self.model_dump(include=keys).items() if value is not None}

    def _given(self, layout: ArchiveLayout) -> dict[str, Any]:
        """The settings given here, else in the archive's `classface.toml`."""
        given = self._values()
        for name, value in lasting_assignment(layout).items():
            # A choice always has a value: one that is its default may be overruled.
            if name not in given or (name in CHOICES and given[name] == SETTINGS[name].default):
                given[name] = value
        return given
