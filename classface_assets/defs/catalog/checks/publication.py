"""Asset checks that compare a publication with the one before: coverage, drift, accuracy, and decisions that wait.

All are warnings: what is published is sound in itself (see `integrity`), but somebody should look at it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl
from pydantic import Field

from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.catalog.checks.check_factory import archive_check
from classface_assets.identity.evaluation.drift import ACCURACY, PUBLICATIONS
from classface_assets.orchestration.resources import Archive
from classface_assets.store.artifacts.assignment_tables import read_table_inputs
from classface_assets.store.artifacts.history import read_history
from classface_assets.store.model.events import AUTOMATIC_EVENT_KINDS

COVERAGE = "coverage_did_not_drop"
DRIFT = "faces_did_not_drift"
DECISIONS = "decisions_are_published"
WARN = dg.AssetCheckSeverity.WARN


class PublicationCheckConfig(dg.Config):
    """How far a publication may be from the one before without a warning."""

    most_names_lost: float = Field(
        default=0.05, ge=0, le=1, description="Share of the named faces that may have no name any more."
    )
    most_unknown_rise: float = Field(
        default=0.15, ge=0, le=1, description="How much the share of faces without a name may rise."
    )
    most_quality_drop: float = Field(default=0.1, ge=0, le=1, description="How much the median quality may drop.")
    most_strangers_rise: float = Field(
        default=0.05,
        ge=0,
        le=2,
        description="How much more similar strangers may be (99th percentile of the cosines of faces in one photo).",
    )
    most_hours_waiting: float = Field(
        default=48.0, ge=0, description="Hours that a decision may wait for its publication."
    )


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            COVERAGE, asset="identities", description="Nearly as many faces have a name as at the last publication."
        ),
        dg.AssetCheckSpec(
            DRIFT,
            asset="identities",
            description="The share of unknown faces, the quality of faces and the similarity of strangers are nearly "
            "as at the last publication.",
        ),
        dg.AssetCheckSpec(DECISIONS, asset="identities", description="No decision waits long for its publication."),
    ],
    can_subset=True,
)
def publication_checks(
    context: dg.AssetCheckExecutionContext, config: PublicationCheckConfig, archive: Archive
) -> Iterator[dg.AssetCheckResult]:
    """Compares the publication with the one before it."""
    last_two = read_history(archive.layout.table("publications"), PUBLICATIONS).tail(2)
    compute = {
        COVERAGE: lambda: check_coverage(last_two, config),
        DRIFT: lambda: check_drift(last_two, config),
        DECISIONS: lambda: _check_decisions(archive, config),
    }
    for key in context.selected_asset_check_keys:
        yield compute[key.name]()


def check_coverage(last_two: pl.DataFrame, config: PublicationCheckConfig) -> dg.AssetCheckResult:
    """Whether faces lost their names.

    Args:
        last_two: PUBLICATIONS, one or two rows, the newest last.
        config: How many may.
    """
    named = last_two["named_faces"].to_list()
    if len(named) < 2 or not named[0]:
        return _nothing_to_compare(COVERAGE)
    lost = max(0.0, 1 - named[1] / named[0])
    return dg.AssetCheckResult(
        passed=lost <= config.most_names_lost,
        check_name=COVERAGE,
        severity=WARN,
        metadata={"named faces before": named[0], "named faces": named[1], "share lost": lost},
    )


def check_drift(last_two: pl.DataFrame, config: PublicationCheckConfig) -> dg.AssetCheckResult:
    """Whether the faces are others than before: harder to recognise, or more alike.

    Args:
        last_two: PUBLICATIONS, one or two rows, the newest last. Of two model packs similarities are not compared.
        config: How far each may move.
    """
    if last_two.height < 2 or not last_two["faces"][0]:
        return _nothing_to_compare(DRIFT)
    before, now = last_two.rows(named=True)
    rises = {
        "unknown_share": (before["named_share"] - now["named_share"], config.most_unknown_rise),
        "quality_drop": (_difference(before["quality"], now["quality"]), config.most_quality_drop),
    }
    if before["model"] == now["model"]:
        strangers = _difference(now["strangers_similarity"], before["strangers_similarity"])
        rises["strangers_similarity"] = strangers, config.most_strangers_rise
    beyond = [name for name, (rise, most) in rises.items() if rise > most]
    return dg.AssetCheckResult(
        passed=not beyond,
        check_name=DRIFT,
        severity=WARN,
        metadata={
            "moved too far": ", ".join(beyond) or "nothing",
            **{f"{name} rose by": rise for name, (rise, _) in rises.items()},
            "unknown share": 1 - now["named_share"],
        },
    )


def _check_decisions(archive: Archive, config: PublicationCheckConfig) -> dg.AssetCheckResult:
    until = _published_until(archive.layout)
    waiting = [
        event.at
        for event in archive.open_ledger().events()
        if event.id > until and event.kind not in AUTOMATIC_EVENT_KINDS
    ]
    oldest = min(waiting, default=None)
    hours = 0.0 if oldest is None else (datetime.now(UTC) - oldest) / timedelta(hours=1)
    return dg.AssetCheckResult(
        passed=hours <= config.most_hours_waiting,
        check_name=DECISIONS,
        severity=WARN,
        metadata={"decisions waiting": len(waiting), "hours that the oldest waits": round(hours, 1)},
    )


def _published_until(layout: ArchiveLayout) -> int:
    try:
        inputs = read_table_inputs(layout.table("identities"))
    except FileNotFoundError:
        return 0
    return 0 if inputs is None else inputs.until


class AccuracyCheckConfig(dg.Config):
    """How accurate an archive has to be."""

    most_drop: float = Field(
        default=0.02, ge=0, le=1, description="How much F (BCubed) or the naming accuracy may drop at once."
    )
    least_f: float = Field(default=0.0, ge=0, le=1, description="F (BCubed) below which there is a warning anyway.")


@archive_check(
    asset="evaluation", description="Clusters and names are nearly as accurate as when they were measured last."
)
def accuracy_did_not_drop(config: AccuracyCheckConfig, archive: Archive) -> dg.AssetCheckResult:
    """See `check_accuracy`."""
    return check_accuracy(read_history(archive.layout.table("accuracy"), ACCURACY), config)


def check_accuracy(history: pl.DataFrame, config: AccuracyCheckConfig) -> dg.AssetCheckResult:
    """Whether the last evaluation is nearly as good as the one before that was made with the same kind of truth.

    Args:
        history: ACCURACY, the newest last.
        config: What counts as nearly.
    """
    if not history.height:
        return _nothing_to_compare("accuracy_did_not_drop")
    now = history.row(-1, named=True)
    earlier = history.head(-1).filter(pl.col("measured_with") == now["measured_with"]).tail(1).to_dicts()
    drops = {}
    if earlier:
        drops = {name: _difference(earlier[0][name], now[name]) for name in ("f", "naming_accuracy")}
    return dg.AssetCheckResult(
        passed=now["f"] >= config.least_f and all(drop <= config.most_drop for drop in drops.values()),
        severity=WARN,
        metadata={"f": now["f"], **{f"{name} dropped by": drop for name, drop in drops.items()}},
    )


def _difference(larger: float | None, smaller: float | None) -> float:
    return 0.0 if larger is None or smaller is None else larger - smaller


def _nothing_to_compare(check: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=True,
        check_name=check,
        severity=WARN,
        description="There is nothing to compare it with yet.",
    )
