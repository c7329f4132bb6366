"""The course of a training, epoch by epoch, as a table and as a picture."""

from collections.abc import Sequence
from io import BytesIO

import polars as pl

from classface_assets.core.languages import gettext
from classface_assets.identity.projection.epochs import Epoch

EPOCH_COLUMNS = pl.Schema(
    {
        "epoch": pl.Int64(),
        "train_loss": pl.Float64(),
        "held_out_loss": pl.Float64(),
        "held_out_separation": pl.Float64(),
        "heads": pl.Int64(),
        "seconds": pl.Float64(),
    }
)


def epoch_table(epochs: Sequence[Epoch]) -> pl.DataFrame:
    """EPOCH_COLUMNS: the mean of each epoch over the heads that were trained so long, and the seconds of all."""
    rows = [(e.epoch, e.train_loss, e.held_out_loss, e.held_out_separation, e.seconds) for e in epochs]
    names = ["epoch", "train_loss", "held_out_loss", "held_out_separation", "seconds"]
    table = pl.DataFrame(rows, schema={name: EPOCH_COLUMNS[name] for name in names}, orient="row")
    means = [pl.col(name).mean() for name in names[1:4]]
    return (
        table.group_by("epoch")
        .agg(*means, pl.len().cast(pl.Int64).alias("heads"), pl.col("seconds").sum())
        .sort("epoch")
        .select(EPOCH_COLUMNS.names())
    )


def draw_training(table: pl.DataFrame, title: str) -> bytes:
    """The losses and the separation by epoch, a PNG picture in the language in use. table: EPOCH_COLUMNS."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, style, label in (
        ("train_loss", "--", gettext("train loss")),
        ("held_out_loss", "-", gettext("held out loss")),
    ):
        axes.plot(table["epoch"], table[name], style, marker=".", label=label)
    axes.set(xlabel=gettext("epoch"), ylabel=gettext("triplet loss"), title=title)
    axes.grid(alpha=0.3)
    other = axes.twinx()
    other.plot(
        table["epoch"], table["held_out_separation"], ":", marker=".", color="tab:green", label=gettext("separation")
    )
    other.set_ylabel(gettext("separation of people held out"))
    lines, labels = axes.get_legend_handles_labels()
    more_lines, more_labels = other.get_legend_handles_labels()
    axes.legend(lines + more_lines, labels + more_labels)
    content = BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()
