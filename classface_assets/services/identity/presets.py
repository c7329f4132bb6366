"""The presets by which everything that names faces is made stricter or faster with one word, and calibrated settings.

A preset changes the settings that hold for an archive: those measured for its model pack, or calibrated on its labels.
Thresholds move by a share of what is left up to the greatest similarity, so that one preset suits every pack.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.settings import (
    STORED_NAMES,
    AssignmentSettings,
    ClusteringMethod,
    settings_for,
    with_values,
)
from classface_assets.orchestration.settings.file import lasting_assignment
from classface_assets.store.artifacts.thresholds import load_thresholds
from classface_assets.vision.models.pack_info import PackInfo


class Preset(StrEnum):
    """How strict, and how fast."""

    HIGH_PRECISION = "high-precision"
    """Rather no name than a wrong one."""
    BALANCED = "balanced"
    """The settings of the pack, or those calibrated on the archive."""
    FAST = "fast"
    """One mean a person and year, no propagation through the years, and poor faces are not clustered."""


PRESETS = tuple(preset.value for preset in Preset)


@dataclass(frozen=True)
class PresetRule:
    """What a preset changes.

    Attributes:
        stricter: Share of the way from each threshold to 1 by which it rises.
        margin: Factor of the leads that a face's person must have.
        values: Settings that have these values.
        presence: The least probability at which an automatic match counts as presence; matches without one count.
    """

    stricter: float
    margin: float
    values: Mapping[str, Any]
    presence: float


PRESET_RULES: Mapping[Preset, PresetRule] = {
    Preset.HIGH_PRECISION: PresetRule(0.125, 1.5, {}, 0.95),
    Preset.BALANCED: PresetRule(0.0, 1.0, {}, 0.0),
    Preset.FAST: PresetRule(0.0, 1.0, {"assign": "centroid", "propagation": False, "quality_threshold": 0.3}, 0.0),
}
_THRESHOLDS = ("person_threshold", "cluster_threshold", "attach_threshold", "propagation_group_threshold")
_MARGINS = ("person_margin", "lookalike_margin", "propagation_margin", "propagation_threshold", "attach_margin")


def preset_values(settings: AssignmentSettings, preset: Preset | None) -> dict[str, Any]:
    """The settings that a preset changes, by the names that run configs have; none for `balanced`, or no preset."""
    if preset is None:
        return {}
    rule = PRESET_RULES[preset]
    changed: dict[str, Any] = dict(rule.values)
    if rule.stricter:
        changed |= {name: _stricter(getattr(settings, name), rule.stricter) for name in _THRESHOLDS}
    if rule.margin != 1:
        changed |= {name: round(getattr(settings, name) * rule.margin, 4) for name in _MARGINS}
    return {STORED_NAMES.get(name, name): value for name, value in changed.items()}


def calibrated_settings(
    layout: ArchiveLayout, pack: PackInfo, method: ClusteringMethod | None = None, preset: Preset | None = None
) -> AssignmentSettings:
    """The settings of an archive.

    They are those measured for its pack, calibrated on its labels, as its `classface.toml` has them, and changed by a
    preset.

    Args:
        layout: The archive.
        pack: The model pack in use.
        method: How unknown faces are clustered; None: as the archive's `classface.toml` has it, else `temporal`.
        preset: None for the settings as they are.

    Raises:
        UserError: The file of calibrated thresholds, or `classface.toml`, is damaged.
    """
    lasting = {key: value for key, value in lasting_assignment(layout).items() if key != "method" or method is None}
    chosen: ClusteringMethod = method or lasting.get("method", "temporal")
    values = {**load_thresholds(layout, pack.key, chosen), **lasting}
    settings = with_values(settings_for(pack.embedder, chosen), values)
    return with_values(settings, preset_values(settings, preset))


def presence_probability(preset: Preset | None) -> float:
    """The least probability at which an automatic match counts as presence."""
    return PRESET_RULES[preset or Preset.BALANCED].presence


def _stricter(threshold: float, share: float) -> float:
    return round(threshold + share * (1 - threshold), 4)
