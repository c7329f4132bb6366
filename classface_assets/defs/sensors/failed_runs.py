"""The sensor that follows runs that failed: a sentence in the log, and a report to a webhook where one is set."""

import dagster as dg

from classface_assets.defs.sensors.failure_reports import FailureReports, ReportError, report_of
from classface_assets.orchestration.failures import failure_reason, impersonal_reason
from classface_assets.orchestration.school_year_runs.years import years_phrase
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames


def failed_runs_of(names: ArchiveNames) -> dg.SensorDefinition:
    """The sensor of an archive."""

    @dg.run_failure_sensor(
        name="failed_runs",
        minimum_interval_seconds=names.seconds_between_ticks(30),
        monitor_all_code_locations=True,  # else runs of `classface run`, which come from no code location, are left out
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Writes every failed run to the log, with its school year and the sentence that says why; reports "
        "it, without names, to the webhook or e-mail address of CLASSFACE_FAILURE_WEBHOOK where that is set.",
    )
    def follow(context: dg.RunFailureSensorContext, failure_reports: FailureReports) -> None:
        if names.owns_run(context.dagster_run):
            _follow(context, failure_reports)

    return follow


failed_runs = failed_runs_of(ALONE)


def _follow(context: dg.RunFailureSensorContext, failure_reports: FailureReports) -> None:
    """The sentence is the step's own, or that of the run when no step of it failed."""
    run = context.dagster_run
    failures = [event.event_specific_data for event in context.get_step_failure_events()]
    why = "; ".join(map(failure_reason, failures)) or context.failure_event.message
    context.log.error(f"Run {run.run_id} of {years_phrase(run.tags) or 'all years'} failed: {why}")
    kinds = dict.fromkeys(map(impersonal_reason, failures)) or ["It stopped outside its steps, as when it is killed."]
    try:
        failure_reports.send(report_of(run, " ".join(kinds)))
    except ReportError as error:
        context.log.warning(str(error))
