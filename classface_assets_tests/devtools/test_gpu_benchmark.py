"""The GPU benchmark: what it says where there is no card, and that nothing falls back to the CPU unnoticed."""

import sys
from typing import Any

import numpy as np
import pytest

from classface_assets.devtools.benchmark.gpu.contender import CONTENDERS, run_contender
from classface_assets.devtools.benchmark.gpu.gpu import LIMITS
from classface_assets.devtools.benchmark.gpu.machine import (
    Card,
    describe_machine,
    find_card,
    missing_cuda_in_faiss,
    missing_cuda_in_onnxruntime,
)
from classface_assets.devtools.benchmark.gpu.measurements import (
    Device,
    Measurement,
    Outcome,
    exit_code,
    markdown_table,
)
from classface_assets.devtools.benchmark.gpu.networks import measure_networks, network_outcome
from classface_assets.devtools.benchmark.gpu.search import measure_search, synthetic_vectors
from classface_assets.identity.graph import approximate
from classface_assets.vision.models.onnx_session import CUDA_PROVIDER, execution_providers
from classface_assets.vision.models.registry import ModelPack

pytestmark = pytest.mark.slow


def row(device: Device, outcome: Outcome = Outcome.MEASURED, rate: float | None = 10.0) -> Measurement:
    return Measurement("embed faces", "batch 8", device, outcome, rate, "faces", "why")


def test_a_card_is_what_the_driver_lists_and_nothing_where_there_is_no_driver() -> None:
    assert find_card(["echo", "NVIDIA H200, 575.57, 143771 MiB"]) == Card("NVIDIA H200", "575.57", "143771 MiB")
    assert find_card(["false"]) is None
    assert find_card(["no-such-command-anywhere"]) is None
    assert "NVIDIA H200, driver 575.57" in describe_machine(Card("NVIDIA H200", "575.57", "143771 MiB"))
    assert "card: none" in describe_machine(None)


def test_the_table_has_the_card_beside_the_cpu_and_says_why_something_was_not_run() -> None:
    table = markdown_table([row(Device.CUDA, rate=250.0), row(Device.CPU)]).splitlines()
    assert table[2] == "| embed faces | batch 8 | 250 faces/s | 10.0 faces/s | 25.0 | cuda: why; cpu: why |"
    (line,) = markdown_table([row(Device.CUDA, Outcome.NOT_RUN, None), row(Device.CPU)]).splitlines()[2:]
    assert line == "| embed faces | batch 8 | not run | 10.0 faces/s |  | cuda: why; cpu: why |"
    fallen = markdown_table([row(Device.CUDA, Outcome.FELL_BACK), row(Device.CPU)]).splitlines()[2]
    assert fallen.startswith("| embed faces | batch 8 | 10.0 faces/s (fell back to the CPU) | 10.0 faces/s |  |")


def test_the_exit_code_is_one_only_where_something_fell_back_or_failed() -> None:
    assert exit_code([row(Device.CPU), row(Device.CUDA, Outcome.NOT_RUN, None)]) == 0
    assert exit_code([row(Device.CPU), row(Device.CUDA, Outcome.FELL_BACK)]) == 1
    assert exit_code([row(Device.CPU, Outcome.FAILED, None)]) == 1


def test_a_row_is_the_same_after_it_was_printed_and_read() -> None:
    assert Measurement.from_json(row(Device.CUDA, Outcome.FELL_BACK).to_json()) == row(Device.CUDA, Outcome.FELL_BACK)


def test_all_time_limits_together_are_less_than_ten_minutes() -> None:
    assert LIMITS.keys() == CONTENDERS.keys()
    assert sum(cuda + cpu for cuda, cpu in LIMITS.values()) < 590


def test_a_contender_that_hangs_is_stopped_and_its_rows_so_far_count() -> None:
    program = f"import time; print('@row ' + {row(Device.CPU).to_json()!r}, flush=True); time.sleep(60)"
    rows = run_contender("search", Device.CPU, 3, [sys.executable, "-c", program])
    assert rows[0] == row(Device.CPU)
    assert (rows[1].outcome, rows[1].note) == (Outcome.NOT_RUN, "stopped after 3 s")
    assert len(rows) == 2


def test_a_contender_that_dies_is_a_row_with_its_last_words() -> None:
    program = "print('a library says something'); raise SystemExit('CUDA error: out of memory')"
    (failed,) = run_contender("head", Device.CUDA, 30, [sys.executable, "-c", program])
    assert (failed.outcome, failed.note) == (Outcome.FAILED, "CUDA error: out of memory")


def test_the_cards_are_hidden_from_what_is_to_run_on_the_cpu() -> None:
    cpu_row, cuda_row = row(Device.CPU).to_json(), row(Device.CUDA).to_json()
    program = (
        f"import os; print('@row ' + ({cpu_row!r} if os.environ.get('CUDA_VISIBLE_DEVICES') == '' else {cuda_row!r}))"
    )
    for device in Device:
        assert run_contender("head", device, 30, [sys.executable, "-c", program]) == [row(device)]


@pytest.mark.skipif(not missing_cuda_in_onnxruntime(), reason="this onnxruntime has CUDA")
def test_without_cuda_in_onnxruntime_each_row_of_the_networks_says_so() -> None:
    rows = list(measure_networks(Device.CUDA))
    assert {row.outcome for row in rows} == {Outcome.NOT_RUN}
    assert {row.note for row in rows} == {"this onnxruntime has no CUDA: install onnxruntime-gpu"}
    assert execution_providers() == ["CPUExecutionProvider"]


@pytest.mark.skipif(not missing_cuda_in_faiss(), reason="this faiss has CUDA")
def test_without_cuda_in_faiss_the_search_says_so() -> None:
    (only,) = measure_search(Device.CUDA)
    assert (only.outcome, only.note) == (Outcome.NOT_RUN, "this faiss has no CUDA: install faiss-gpu")


def test_a_network_that_runs_on_the_cpu_though_the_card_was_asked_for_fell_back(builtin: ModelPack) -> None:
    elsewhere = Device.CPU if builtin.device == Device.CUDA else Device.CUDA
    for network in (builtin.detector, builtin.embedder):
        assert network_outcome(network, Device(builtin.device)) is Outcome.MEASURED
        assert network_outcome(network, elsewhere) is Outcome.FELL_BACK


def test_cuda_does_not_try_every_algorithm_for_each_shape_of_a_photo() -> None:
    assert CUDA_PROVIDER == ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})


def test_faces_that_do_not_fit_on_the_card_are_searched_on_the_cpu_and_the_method_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_small(_: np.ndarray) -> Any:
        raise RuntimeError("Error in StandardGpuResources: out of memory\nat line 452")

    vectors = synthetic_vectors(6000)
    (tuning,) = approximate.sample_rows(len(vectors), 1)
    monkeypatch.setattr(approximate, "_gpu_index", too_small)
    built = approximate.build_index(vectors, tuning, 10, 0.45)
    assert built is not None
    index, method = built
    assert method.startswith("faiss IVF")
    assert method.endswith("(the GPU failed: Error in StandardGpuResources: out of memory)")
    neighbours, similarities = approximate.search_index(index, vectors, tuning[:50], 10, 0.45)
    assert (neighbours[:, 0] >= 0).all()
    assert (np.sort(similarities, axis=1)[:, ::-1] == similarities).all()
