"""Uploaded pictures are decoded one after another in a process of their own; nothing in them ends the server."""

import io
import os
import shutil
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from PIL import Image

from classface_assets.review.faces.decoding_worker import DecodingWorker
from classface_assets.vision.photos.limits import PictureLimits
from classface_assets.vision.photos.metadata import UnreadablePhotoError
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.vision.photos.test_limits import a_very_long_png

pytestmark = pytest.mark.slow


def jpeg(size: tuple[int, int], color: str = "white") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "JPEG")
    return out.getvalue()


def png_of_noise(side: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def worker() -> "DecodingWorker":
    return DecodingWorker()


def test_a_picture_comes_back_as_it_is(worker: DecodingWorker) -> None:
    data = png_of_noise(40)
    assert np.array_equal(worker.decode(data), np.asarray(Image.open(io.BytesIO(data))))
    with pytest.raises(UnreadablePhotoError, match="no picture inside"):
        worker.decode(b"nothing")
    with pytest.raises(UnreadablePhotoError, match="more than 64 million"):
        worker.decode(jpeg((9000, 9000)))
    with pytest.raises(UnreadablePhotoError, match="damaged PNG"):
        worker.decode(data[:2000])
    assert worker.decode(jpeg((30, 20))).shape == (20, 30, 3), "and the next one is decoded all the same"


def test_a_process_that_dies_in_a_picture_is_replaced_for_the_next(
    worker: DecodingWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.decode(jpeg((30, 20)))
    process, connection = worker._process, worker._connection
    assert process is not None and process.pid is not None and connection is not None
    send, pid = connection.send_bytes, process.pid

    def send_and_die(data: bytes) -> None:
        os.kill(pid, signal.SIGSTOP)
        send(data)
        os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(connection, "send_bytes", send_and_die)
    with pytest.raises(UnreadablePhotoError, match="the decoder failed on it"):
        worker.decode(jpeg((30, 20)))
    assert worker.decode(jpeg((30, 20))).shape == (20, 30, 3)
    assert worker._process is not process


def test_decoding_that_does_not_end_is_ended(worker: DecodingWorker) -> None:
    worker.decode(jpeg((30, 20)))
    process = worker._process
    assert process is not None and process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(UnreadablePhotoError, match="longer than 0 seconds"):
        worker.decode(jpeg((30, 20)), timeout_s=0.3)
    assert not process.is_alive()
    assert worker.decode(jpeg((30, 20))).shape == (20, 30, 3)


@pytest.mark.skipif(not psutil.LINUX, reason="other systems do not limit what a process allocates")
def test_decoding_that_takes_more_memory_than_it_may_is_refused() -> None:
    worker = DecodingWorker(PictureLimits(), memory_bytes=300 << 20)
    with pytest.raises(UnreadablePhotoError, match=r"memory|failed on it|damaged"):
        worker.decode(jpeg((12_000, 12_000)))
    assert worker.decode(jpeg((30, 20))).shape == (20, 30, 3)
    worker.stop()


@pytest.mark.skipif(os.name != "posix", reason="there is no program that does nothing")
def test_a_decoder_that_cannot_start_is_a_sentence_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = DecodingWorker()
    monkeypatch.setattr("multiprocessing.spawn._python_exe", os.fsencode(shutil.which("false") or ""))
    with pytest.raises(UnreadablePhotoError, match="the decoder did not start; try it again"):
        worker.decode(jpeg((30, 20)))
    monkeypatch.undo()
    assert worker.decode(jpeg((30, 20))).shape == (20, 30, 3)
    worker.stop()


def test_a_picture_of_sixty_million_by_one_pixels_is_refused_in_words(client: Client) -> None:
    response = client.upload("POST", f"{API}/search", [a_very_long_png()])
    assert response.status == 422
    assert "60000000 × 1 pixels" in response.json["detail"]


def peak_memory(act: Callable[[], object]) -> int:
    """By how many bytes this process grew at most while it did something."""
    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    act()
    done.set()
    watching.join()
    return peak - before


def test_many_large_uploads_at_once_take_the_memory_of_one(client: Client) -> None:
    large = jpeg((6000, 6000))
    client.upload("POST", f"{API}/search", [large])  # loads the models

    def search(_: int = 0) -> int:
        return client.upload("POST", f"{API}/search", [large]).status

    def search_four() -> None:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(search, range(4))) == [422] * 4  # no face

    of_one = peak_memory(search)
    assert peak_memory(search_four) < 2.5 * of_one, "at once they would take four times as much"
