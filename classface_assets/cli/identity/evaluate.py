"""`classface evaluate` and `classface calibrate`: scores of an archive, and thresholds fitted to its labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import METHODS, PACK, archive_options
from classface_assets.cli.output import JSON, echo_json

if TYPE_CHECKING:
    import polars as pl

    from classface_assets.identity.settings import AssignmentSettings
    from classface_assets.orchestration.resources import Archive, Models


@click.command("evaluate")
@archive_options
@PACK
@click.option(
    "--truth",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with the ground truth: school_year, path, person, age, x, y, w, h [labels, some of them hidden].",
)
@click.option("--method", type=click.Choice(METHODS), default="temporal", show_default=True, help="Of the curve.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Where to save the curve, a PNG.")
@click.option("--progress", is_flag=True, help="Instead: how well faces were named as the labels grew.")
@JSON
def evaluate(archive: Archive, pack: str | None, truth: Path | None, method: str, **output: Any) -> None:
    """Measure how well people are identified: with a file of the ground truth, or with hidden labels."""
    picture, as_json = output["picture"], output["as_json"]
    if output["progress"]:
        if truth:
            raise click.UsageError("--progress measures with the labels; leave --truth out.")
        _echo_progress(archive, pack, method, picture, as_json)
        return
    from classface_assets.identity.evaluation.report import report_rows
    from classface_assets.services.identity.evaluation import evaluate_archive

    models, settings = _models_and_settings(archive, pack, method)
    result = evaluate_archive(archive, models, settings, truth)
    if as_json:
        echo_json({"measured_with": result.source, "report": result.report, "curve": result.curve})
        return
    click.echo(f"Measured with {result.source}.")
    for what, value in report_rows(result.report):
        click.echo(f"  {what:<30}{value}")
    for title, table in (
        ("Pairs by the years between them", result.report.by_gap),
        ("BCubed by school year", result.report.by_year),
        (f"BCubed by threshold ({method}, nobody named)", result.curve),
    ):
        click.echo(f"\n{title}")
        click.echo("\n".join(text_table(table)))
    if picture:
        _save_picture(picture, result.curve_png)


def _echo_progress(archive: Archive, pack: str | None, method: str, picture: Path | None, as_json: bool) -> None:
    """Print how well held-out faces were named with the labels of earlier days."""
    from classface_assets.identity.evaluation.progress import draw_progress
    from classface_assets.services.identity.evaluation import measure_progress

    progress = measure_progress(archive, *_models_and_settings(archive, pack, method))
    if as_json:
        echo_json(progress.rows)
        return
    click.echo(f"Held-out labelled faces, named with the labels that there were ({progress.source}):")
    click.echo("\n".join(text_table(progress.rows)))
    if picture:
        _save_picture(picture, draw_progress(progress.rows))


def _save_picture(file: Path, png: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(png)
    click.echo(f"\nThe curve: {file}")


@click.command("calibrate")
@archive_options
@PACK
@click.option("--method", type=click.Choice(METHODS), default="temporal", show_default=True)
@click.option("--save", is_flag=True, help="Save the fitted thresholds for this archive; the next run uses them.")
@click.option("--reset", is_flag=True, help="Go back to the thresholds that come with the program.")
@JSON
def calibrate(archive: Archive, pack: str | None, method: str, **given: bool) -> None:
    """Fit the thresholds to the labels, and print what that would gain. Without --save nothing is changed."""
    from classface_assets.services.identity.evaluation import calibrate_archive
    from classface_assets.store.artifacts import thresholds

    save, reset = given["save"], given["reset"]
    if reset and (save or given["as_json"]):
        raise click.UsageError("--reset goes back to the program's thresholds; leave --save and --json out.")
    models, settings = _models_and_settings(archive, pack, method)
    key = models.describe(archive.layout).key
    if reset:
        done = thresholds.delete_thresholds(archive.layout, key, method)
        click.echo(
            "The program's own thresholds are in use again." if done else "Nothing was fitted; nothing to reset."
        )
        return
    fitted = calibrate_archive(archive, models, settings)
    values = fitted.changed(settings) if fitted.better else {}
    if save and values:
        thresholds.save_thresholds(
            archive.layout, key, method, {**thresholds.load_thresholds(archive.layout, key, method), **values}
        )
    if given["as_json"]:
        echo_json({"thresholds": values, "saved": bool(save and values), "fitted": fitted})
        return
    click.echo(
        f"Fitted to {fitted.faces:,} labelled faces of {fitted.people:,} people, measured on those not fitted to."
    )
    click.echo("\n".join(text_table(fitted.similarities)))
    for name in ("before", "after"):
        score, naming = getattr(fitted, name), getattr(fitted, f"naming_{name}")
        click.echo(
            f"{name:<7} clustering: precision {score.precision:.3f}, recall {score.recall:.3f}, F {score.f:.3f};"
            f" identification: {naming.accuracy:.3f} of the faces, {naming.precision:.3f} of the names right"
        )
    if not fitted.better:
        click.echo("The thresholds in use are as good as any; there is nothing to save.")
        return
    for field, value in values.items():
        click.echo(f"{field}: {getattr(settings, field):.4f} -> {value:.4f}")
    if save:
        click.echo(f"Saved in {thresholds.calibration_file(archive.layout)}; the next run uses it.")
    else:
        click.echo("Nothing was changed; --save saves it for this archive.")


COMMANDS = (evaluate, calibrate)


def text_table(rows: pl.DataFrame) -> list[str]:
    """A frame as lines of text, right-aligned."""
    cells = [[*rows.columns], *([_text(value) for value in row] for row in rows.iter_rows())]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]


def _text(value: object) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _models_and_settings(archive: Archive, pack: str | None, method: Any) -> tuple[Models, AssignmentSettings]:
    """The models, and the settings of the method as a run would use them."""
    from classface_assets.defs.identity.config import AssignmentConfig
    from classface_assets.orchestration.configured_resources import resolve_models

    models = resolve_models(pack, archive)
    config = AssignmentConfig.model_validate({"method": method})
    return models, config.settings(models.describe(archive.layout), archive.layout)
