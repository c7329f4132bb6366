"""What is timed, each in a process of its own, so that its memory and its warm-up are its own.

    python -m classface_assets.devtools.benchmark.speed.contenders ours|loop|chain PHOTOS PACK WORK

writes WORK/result.json. Models are loaded before the clock starts. `ours` goes all the way to written Parquet: the
assets images, detections and embeddings as a run computes them, Dagster included. `loop` is what a user would write.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from classface_assets.core.arrays import collect_garbage_rarely
from classface_assets.core.errors import UserError
from classface_assets.core.geometry import Box
from classface_assets.defs.runner.pipeline import PipelineRunner
from classface_assets.defs.runner.school_years import select_years
from classface_assets.devtools.benchmark.speed.detected_boxes import BoxesByPhoto, detected_boxes, list_photo_files
from classface_assets.devtools.benchmark.speed.noop_assets import noop_definitions
from classface_assets.orchestration.configured_resources import resolve_archive, resolve_models
from classface_assets.orchestration.instance import prepare_instance
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.orchestration.school_year_runs.years import ranges_of


def time_ingest(photos: Path, pack: str, work: Path) -> dict[str, Any]:
    """From photos to vectors, and the same again with nothing new."""
    archive, models = _archive(photos, pack, work)
    collect_garbage_rarely()  # as `classface run` does
    models.load(archive.layout)
    instance, years = prepare_instance(archive.layout)
    with instance:
        chain = PipelineRunner(instance, archive, models, Console(quiet=True))
        _ = chain.definitions  # imported before the clock starts, as the models are loaded
        first, again = (_timed(lambda: _ingest(chain, years)) for _ in range(2))
    return {**first, "again_s": again["seconds"], "faces": detected_boxes(archive.layout, models)}


def time_insightface_loop(photos: Path, pack: str, work: Path) -> dict[str, Any]:
    """cv2.imread and FaceAnalysis.get with the pack's detector and recogniser, results kept in memory."""
    from classface_assets.vision.models.download import resolve_pack_path
    from classface_assets.vision.models.onnx_session import execution_providers, onnxruntime_module
    from classface_assets.vision.models.scrfd import suppress_stdout

    onnxruntime_module()
    import cv2
    from insightface.app import FaceAnalysis

    link = work / "models" / "pack"
    link.parent.mkdir(parents=True)
    link.symlink_to(resolve_pack_path(pack, work).absolute())
    with suppress_stdout():
        app = FaceAnalysis(
            "pack", root=str(work), allowed_modules=["detection", "recognition"], providers=execution_providers()
        )
        app.prepare(ctx_id=0, det_size=(640, 640))
    found: BoxesByPhoto = {}
    vectors: list[Any] = []

    def search() -> None:
        for path in list_photo_files(photos):
            image = cv2.imread(str(path))
            faces = [] if image is None else app.get(image)
            found[path.relative_to(photos).as_posix()] = [_as_box(*map(float, face.bbox)) for face in faces]
            vectors.extend(face.normed_embedding for face in faces)

    return {**_timed(search), "faces": found}


def time_pipeline(photos: Path, pack: str, work: Path) -> dict[str, Any]:
    """The whole pipeline to the finished albums, the same again with nothing new, and Dagster's share of that.

    Dagster's share is measured with the same jobs on the same instance, with steps that do nothing.
    """
    archive, models = _archive(photos, pack, work)
    collect_garbage_rarely()
    instance, _ = prepare_instance(archive.layout)
    with instance:
        years = select_years(archive.layout, None)
        runner = PipelineRunner(instance, archive, models, Console(quiet=True))
        _ = runner.definitions  # imported before the clock starts
        first = _timed(lambda: _run_pipeline(runner, years))
        again = [_timed(lambda: _run_pipeline(runner, years)) for _ in range(2)]
        runner.definitions = noop_definitions()
        bare = [_timed(lambda: _run_pipeline(runner, years)) for _ in range(2)]
    times = ("seconds", "cpu_s")
    return {
        **first,
        **{f"again_{key}": min(run[key] for run in again) for key in times},
        **{f"bare_{key}": min(run[key] for run in bare) for key in times},
        "faces": detected_boxes(archive.layout, models),
    }


def _archive(photos: Path, pack: str, work: Path) -> tuple[Archive, Models]:
    return resolve_archive(photos, work / "data"), resolve_models(pack)


def _ingest(chain: PipelineRunner, years: list[str]) -> None:
    stopped = [stop for some in ranges_of(chain.instance, years) for stop in chain.run_job("ingest_year", some)]
    if stopped:
        raise UserError(f"{stopped[0].year}: {stopped[0].reason}")


def _run_pipeline(chain: PipelineRunner, years: list[str]) -> None:
    stopped = chain.run(years, lambda _: None)
    if stopped:
        raise UserError(f"{stopped[0].year} ({stopped[0].job}): {stopped[0].reason}")


def _timed(act: Callable[[], None]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return {"seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def _as_box(left: float, top: float, right: float, bottom: float) -> Box:
    return left, top, right - left, bottom - top


def peak_mb() -> float:
    """The peak resident memory of this process, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the memory of the process that started this one
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    import resource  # macOS counts bytes

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


CONTENDERS = {"ours": time_ingest, "loop": time_insightface_loop, "chain": time_pipeline}

if __name__ == "__main__":
    kind, photos, pack, work = sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    try:
        result = CONTENDERS[kind](photos, pack, work)
    except UserError as error:
        raise SystemExit(str(error)) from None
    (work / "result.json").write_text(json.dumps({**result, "peak_mb": peak_mb()}))
