"""The jobs, each a part of the chain, and the schedule of the one that runs every night."""

import dagster as dg

YEAR_ASSETS = ("images", "detections", "embeddings")
GLOBAL_ASSETS = ("face_tables", "knn_graph", "cluster_assignments", "projection_head", "identities")

ingest_year = dg.define_asset_job(
    "ingest_year",
    selection=dg.AssetSelection.assets(*YEAR_ASSETS),
    description="Looks at the photos of one school year: files, faces, vectors. Does only what is new.",
)
identify = dg.define_asset_job(
    "identify",
    selection=dg.AssetSelection.assets(*GLOBAL_ASSETS, "evaluation"),
    description="Groups the faces of all school years into students, publishes the database, and measures how well.",
)
year_album = dg.define_asset_job(
    "year_album",
    selection=dg.AssetSelection.assets("albums"),
    description="Makes the album of one school year.",
)
school_site = dg.define_asset_job(
    "school_site",
    selection=dg.AssetSelection.assets("album_site"),
    description="Makes the index, the students' pages and the coverage report.",
)

JOBS = (ingest_year, identify, year_album, school_site)


@dg.schedule(
    job=identify,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every night at three (UTC): groups all faces again, so that the day's names are learned from.",
)
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run a night, however often the schedule is asked."""
    ops = {asset: {"config": {"all_anew": True}} for asset in ("cluster_assignments", "identities")}
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}", run_config={"ops": ops})
