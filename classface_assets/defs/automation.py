"""When an asset is made by itself: the conditions of the assets, and the sensor that acts on them.

They carry what a year's run found on to what is one for all years, and from there to the albums.
"""

import dagster as dg

_Condition = dg.AutomationCondition
YEARLY_ASSETS = dg.AssetSelection.assets("images", "detections", "embeddings", "albums")
COVERED_BY_EMBEDDINGS = dg.AssetSelection.assets("images", "detections")

_MISSING = _Condition.missing() & ~_Condition.will_be_requested()
_GUARDS = (
    ~_Condition.any_deps_match(_MISSING).ignore(YEARLY_ASSETS).with_label("one for all years is missing")
    # A year that failed must not hold up all the others; one that was never run must, its faces are still to come.
    & ~_Condition.any_deps_match(_MISSING & ~_Condition.execution_failed())
    .allow(YEARLY_ASSETS)
    .with_label("a year missing")
    & ~_Condition.any_deps_in_progress()
    & ~_Condition.in_progress()
    & _Condition.all_deps_blocking_checks_passed()
)

WHEN_ITS_YEAR_CHANGED = (_Condition.any_deps_updated().since_last_handled() & _GUARDS).with_label(
    "when what it is made from changed for its year"
)
# Photos and faces of a year reach what is one for all years by way of its vectors, which are made after them.
WHEN_ALL_YEARS_ARE_READY = (
    _Condition.any_deps_updated().ignore(COVERED_BY_EMBEDDINGS).since_last_handled() & _GUARDS
).with_label("when all it is made from is there and at rest")
# New identities do not start it, and put it off: the albums are made anew from them, and then it is its turn.
WHEN_ALL_ALBUMS_ARE_READY = (
    _Condition.any_deps_updated().allow(YEARLY_ASSETS).since_last_handled()
    & ~_Condition.any_deps_match(_Condition.will_be_requested())
    & _GUARDS
).with_label("when the albums of all years are made")

automation_sensor = dg.AutomationConditionSensorDefinition(
    "automatic",
    target=dg.AssetSelection.all(),
    description="Carries new vectors on to the clusters, the identities and the albums.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
