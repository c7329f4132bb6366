"""Model packs by description, what is refused, and dlib's network against dlib itself."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from classface_assets.vision.alignment import CHIP_SIZE, align_face, encode_chip
from classface_assets.vision.embedding import embed_faces
from classface_assets.vision.models import openvino_bf16, scrfd
from classface_assets.vision.models.arcface import ArcFace, Preprocessing
from classface_assets.vision.models.converted import dlib_weights
from classface_assets.vision.models.converted.dlib_resnet import RGB_MEAN, DlibResnet, ensure_onnx_model
from classface_assets.vision.models.download import PackError
from classface_assets.vision.models.pack_info import describe_pack
from classface_assets.vision.models.registry import ModelPack, load_pack
from classface_assets_tests.conftest import SHARED_PACK

needs_shared_pack = pytest.mark.skipif(
    not SHARED_PACK.is_dir(), reason="the InsightFace-format pack is not on this machine"
)
MOBILEFACENET = f"embedder = {str(SHARED_PACK / 'mobilefacenet.onnx')!r}\nembedding_size = 128\n"
DLIB_UNIT = 50_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor without bfloat16, and without OpenVINO."""
    for name in ("openvino_core", "installed_openvino_core"):
        monkeypatch.setattr(openvino_bf16, name, lambda: None)


@pytest.fixture(scope="module")
def group() -> np.ndarray:
    """InsightFace's sample photo: six people."""
    spec = find_spec("insightface")
    assert spec and spec.origin
    return np.asarray(Image.open(Path(spec.origin).parent / "data" / "images" / "t1.jpg").convert("RGB"))


@pytest.fixture(scope="module")
def chips(builtin: ModelPack, group: np.ndarray) -> np.ndarray:
    return np.stack([align_face(group, marks) for marks in builtin.detector.detect(group, 0.5).landmarks])


def described(folder: Path, text: str) -> str:
    """The path of a pack folder with that description."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pack.toml").write_text(text)
    return str(folder)


def onnx_model(
    path: Path,
    nodes: list[tuple[str, list[str], str, dict[str, object]]],
    constants: dict[str, np.ndarray],
    picture: tuple[object, ...] = ("n", 3, 112, 112),
    output: tuple[object, ...] = ("n", 8),
) -> Path:
    """A small graph from `picture` to `vector`."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [out], **options) for kind, inputs, out, options in nodes],
        "small",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, picture)],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def means_of_strips(path: Path, rows: tuple[object, ...] = (0, -1)) -> Path:
    """A model of eight numbers: means of the picture's strips, mixed; `rows` is what each picture is reshaped to."""
    mixing = np.random.default_rng(1).normal(size=(3 * 8, 8)).astype(np.float32)
    return onnx_model(
        path,
        [
            ("AveragePool", ["picture"], "pooled", {"kernel_shape": [14, 112], "strides": [14, 112]}),
            ("Reshape", ["pooled", "shape"], "flat", {}),
            ("MatMul", ["flat", "mixing"], "vector", {}),
        ],
        {"shape": np.array(rows, np.int64), "mixing": mixing},
    )


# Descriptions


@pytest.mark.slow
@needs_shared_pack
def test_a_described_model_equals_the_same_pack_loaded_as_insightface_does(
    folder: Path, tmp_path: Path, chips: np.ndarray, group: np.ndarray
) -> None:
    known = load_pack(str(SHARED_PACK), folder, folder)
    detector = f"detector = {str(SHARED_PACK / 'det_2.5g.onnx')!r}"
    mine = load_pack(described(tmp_path / "mine", MOBILEFACENET + detector), folder, folder)
    assert (known.embedder.embed(chips) * mine.embedder.embed(chips)).sum(axis=1).min() >= 0.9999
    assert np.array_equal(known.detector.detect(group, 0.5).boxes, mine.detector.detect(group, 0.5).boxes)
    assert mine.info.name == "mine" and mine.info.detector_version.startswith("mine-")


@needs_shared_pack
@pytest.mark.usefixtures("in_float32")
def test_insightfaces_own_code_gives_the_same_vectors(folder: Path, chips: np.ndarray) -> None:
    import cv2

    from classface_assets.vision.alignment import chip_to_arcface

    model = scrfd.load_insightface_model(SHARED_PACK / "mobilefacenet.onnx")
    faces = [cv2.warpAffine(chip, chip_to_arcface(), (112, 112)) for chip in chips]
    own = model.get_feat([face[..., ::-1] for face in faces])
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    assert (own * load_pack(str(SHARED_PACK), folder, folder).embedder.embed(chips)).sum(axis=1).min() >= 0.9999


@pytest.mark.usefixtures("in_float32")
def test_dlibs_network_described_as_an_onnx_file_equals_the_pack_dlib(
    folder: Path, tmp_path: Path, chips: np.ndarray
) -> None:
    dlib, weights = load_pack("dlib", folder, folder), dlib_weights.dlib_weights_path()
    assert weights
    file = ensure_onnx_model(weights, tmp_path / "dlib")
    file.with_suffix(".toml").write_text(
        f'name = "dlib"\nmean = {RGB_MEAN.astype(float).tolist()}\nscale = 256\ninput_size = 150\nalign = "dlib"\n'
        "flip = true\nembedding_size = 128\n"
    )
    pack = load_pack(str(file), folder, folder)
    assert (pack.embedder.embed(chips) * dlib.embedder.embed(chips)).sum(axis=1).min() >= 0.999999
    assert (pack.info.name, pack.info.detector_version) == ("dlib", dlib.info.detector_version)
    assert np.array_equal(pack.detector.detect(chips[0], 0.5).boxes, dlib.detector.detect(chips[0], 0.5).boxes)


def test_an_adaface_model_sees_blue_green_red_from_minus_one_to_one() -> None:
    red = np.zeros((1, 112, 112, 3), np.uint8)
    red[..., 0] = 255
    blob = Preprocessing(channels="BGR").blob(red)
    assert blob.shape == (1, 3, 112, 112) and blob[0, :, 0, 0].tolist() == [-1, -1, 1]


def test_mean_and_scale_are_in_the_order_of_the_channels() -> None:
    pixel = np.array([10, 20, 30], np.uint8).reshape(1, 1, 1, 3)
    recipe = Preprocessing(channels="BGR", mean=(30, 10, 10), scale=(1, 2, 4))
    assert recipe.blob(pixel).ravel().tolist() == [0, 5, 0]


def test_averaging_with_the_mirror_image_makes_left_and_right_equal(tmp_path: Path, chips: np.ndarray) -> None:
    columns = onnx_model(
        tmp_path / "columns.onnx",
        [
            ("AveragePool", ["picture"], "pooled", {"kernel_shape": [112, 14], "strides": [112, 14]}),
            ("Flatten", ["pooled"], "vector", {}),
        ],
        {},
        output=("n", 24),
    )
    plain, both = ArcFace(columns, Preprocessing()), ArcFace(columns, Preprocessing(flip=True))
    vectors = both.embed(chips)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.abs(plain.embed(chips) - vectors).max() > 0.01
    assert np.allclose(both.embed(chips[:, :, ::-1]), vectors, atol=0.01)
    assert not np.allclose(plain.embed(chips[:, :, ::-1]), plain.embed(chips), atol=0.05)


def test_whatever_changes_vectors_changes_the_packs_version_and_nothing_else_does(tmp_path: Path) -> None:
    means_of_strips(tmp_path / "model.onnx")

    def key(text: str) -> str:
        return describe_pack(described(tmp_path, f'embedder = "model.onnx"\n{text}'), tmp_path).key

    plain = key("")
    assert key("# a comment\nflip = false\nmean = 127.5\nembedding_size = 8\n" + 'licence = "MIT"') == plain
    changes = ("flip = true", "mean = 0", "scale = [127.5, 127.5, 128]", 'channels = "BGR"', 'align = "dlib"')
    assert len({plain, *map(key, changes)}) == 1 + len(changes)
    means_of_strips(tmp_path / "det_other.onnx")
    assert key("") != plain  # another detector, so other faces
    assert key('detector = "builtin"') == plain


@needs_shared_pack
def test_a_pack_of_insightfaces_format_mirrors_only_when_told_to(
    folder: Path, tmp_path: Path, chips: np.ndarray
) -> None:
    for file in SHARED_PACK.glob("*.onnx"):
        (tmp_path / file.name).symlink_to(file)
    plain = load_pack(str(tmp_path), folder, folder)
    mirrored = load_pack(described(tmp_path, "flip = true"), folder, folder)
    assert mirrored.info.key != plain.info.key
    assert isinstance(mirrored.detector, scrfd.Scrfd)
    found = mirrored.embedder.embed(chips)
    assert np.abs(found - plain.embedder.embed(chips)).max() > 0.01
    assert np.allclose(found, mirrored.embedder.embed(chips[:, :, ::-1]), atol=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "unknown key 'colour': the known ones are name, licence, embedder"),
        ("flip = 1", "says flip = 1: it must be true or false"),
        ('channels = "rgb"', 'says channels = \'rgb\': it must be "RGB" or "BGR"'),
        ("mean = [1, 2]", r"says mean = \[1, 2\]: it must be one number, or three"),
        ("mean = true", "says mean = True"),
        ("mean = nan", "says mean = nan"),
        ("scale = 0", "says scale = 0: it must be one number above 0"),
        ("mean = 0.5\nscale = 0.5", "would see values up to 509; pixels go from 0 to 255"),
        ("input_size = 112.5", "says input_size = 112.5: it must be a whole number from 32 to 1024"),
        ("embedding_size = -1", "says embedding_size = -1"),
        ('align = "eyes"', 'says align = \'eyes\': it must be "arcface" or "dlib"'),
        ('detector = "nowhere.onnx"', "says detector = 'nowhere.onnx', but there is no such file in"),
        ('embedder = "gone.onnx"', "says embedder = 'gone.onnx', but there is no such file in"),
        ("flip = ", "pack.toml is not valid TOML"),
        ("embedding_size = 9", "model.onnx returns 8 numbers a face, but embedding_size is 9: correct one of them"),
        ("input_size = 160", r"its input is \(n, 3, 112, 112\), not \(n, 3, 160, 160\): give its input_size"),
    ],
)
def test_each_mistake_in_a_pack_toml_is_reported_in_one_sentence(
    text: str, message: str, folder: Path, tmp_path: Path
) -> None:
    means_of_strips(tmp_path / "model.onnx")
    embedder = "" if text.startswith("embedder") else 'embedder = "model.onnx"\n'
    with pytest.raises(PackError, match=message) as raised:
        load_pack(described(tmp_path, embedder + text), folder, folder)
    assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)


def test_a_single_file_wants_its_description_beside_it(folder: Path, tmp_path: Path) -> None:
    file = means_of_strips(tmp_path / "strips.onnx")
    with pytest.raises(PackError, match=r"has no description: write strips.toml beside it"):
        load_pack(str(file), folder, folder)
    file.with_suffix(".toml").write_text('embedder = "other.onnx"')
    means_of_strips(tmp_path / "other.onnx")
    with pytest.raises(PackError, match=r"lies beside strips.onnx: leave it out"):
        load_pack(str(file), folder, folder)
    file.with_suffix(".toml").write_text("flip = true")
    pack = load_pack(str(file), folder, folder)
    assert (pack.info.name, pack.dim, pack.device) == ("strips", 8, "cpu")


# What is no face model


def test_a_model_for_one_picture_at_a_time_is_run_so(tmp_path: Path, chips: np.ndarray) -> None:
    free = ArcFace(means_of_strips(tmp_path / "free.onnx"), Preprocessing())
    fixed = ArcFace(means_of_strips(tmp_path / "fixed.onnx", (1, 24)), Preprocessing())
    assert (free.one_at_a_time, fixed.one_at_a_time) == (False, True)
    assert np.allclose(free.embed(chips), fixed.embed(chips), atol=1e-6)


def text_file(path: Path) -> Path:
    path.write_text("hello")
    return path


FLAT = ("Flatten", ["picture"], "flat", {})
NO_FACE_MODELS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "text": (text_file, "is not an ONNX model that can be loaded"),
    "rank": (
        lambda path: onnx_model(path, [("Relu", ["picture"], "vector", {})], {}, ("n", 8)),
        r"it takes tensor\(float\) \(n, 8\), not pictures \(n, 3, 112, 112\)",
    ),
    "channels last": (
        lambda path: onnx_model(path, [("Flatten", ["picture"], "vector", {})], {}, ("n", 112, 112, 3)),
        r"its input is \(n, 112, 112, 3\), not \(n, 3, 112, 112\)",
    ),
    "picture out": (
        lambda path: onnx_model(path, [("Relu", ["picture"], "vector", {})], {}, output=("n", 3, 112, 112)),
        r"for one picture it returns numbers of the shape \(1, 3, 112, 112\), not \(1, d\)",
    ),
    "one number": (
        lambda path: onnx_model(path, [FLAT, ("ReduceMean", ["flat"], "vector", {"axes": [1]})], {}, output=("n", 1)),
        r"the shape \(1, 1\), not \(1, d\)",
    ),
    "not finite": (
        lambda path: onnx_model(path, [FLAT, ("Log", ["flat"], "vector", {})], {}, output=("n", 37632)),
        "it returns numbers that are not finite; mean and scale may be wrong",
    ),
    "always the same": (
        lambda path: onnx_model(
            path,
            [FLAT, ("MatMul", ["flat", "nothing"], "zero", {}), ("Add", ["zero", "always"], "vector", {})],
            {"nothing": np.zeros((37632, 8), np.float32), "always": np.arange(8, dtype=np.float32)},
        ),
        "it returns the same numbers for different pictures",
    ),
    "four at a time": (
        lambda path: onnx_model(path, [("Flatten", ["picture"], "vector", {})], {}, (4, 3, 112, 112), (4, 37632)),
        "it does not run on one picture",
    ),
}


@pytest.mark.parametrize("kind", NO_FACE_MODELS)
def test_a_file_that_is_no_face_model_gets_a_sentence(kind: str, folder: Path, tmp_path: Path) -> None:
    make, message = NO_FACE_MODELS[kind]
    make(tmp_path / "model.onnx")
    with pytest.raises(PackError, match=message) as raised:
        load_pack(described(tmp_path, 'embedder = "model.onnx"'), folder, folder)
    assert "\n" not in str(raised.value) and "model.onnx" in str(raised.value)


def test_a_described_detector_must_be_one(folder: Path, tmp_path: Path) -> None:
    means_of_strips(tmp_path / "model.onnx")
    with pytest.raises(PackError, match=r"model.onnx is no face detector in InsightFace's SCRFD format: replace it"):
        load_pack(described(tmp_path, 'embedder = "model.onnx"\ndetector = "model.onnx"'), folder, folder)


# dlib's network


def dlib_faces() -> np.ndarray:
    """Fifty faces (50, 150, 150, 3) that are the same to the last bit everywhere: none comes out of a JPEG.

    Ten views of one face, and forty people of scikit-image's excerpt of Labeled Faces in the Wild, enlarged.
    """
    from skimage import data

    photo = data.astronaut()
    views = [photo[25 + dy : 175 + dy, 150 + dx : 300 + dx] for dy in (-8, 0, 8) for dx in (-8, 8)]
    views += [view[:, ::-1] for view in views[:4]]
    spec = find_spec("skimage")
    assert spec and spec.origin
    small = np.load(Path(spec.origin).parent / "data" / "lfw_subset.npy")[:40]
    large = np.round(small * 255).astype(np.uint8).repeat(6, axis=1).repeat(6, axis=2)
    return np.concatenate([np.stack(views), np.stack([large] * 3, axis=-1)])


def test_fifty_descriptors_equal_those_of_dlib_itself(folder: Path) -> None:
    """The file holds what dlib 20.0.1 gives for these faces, `compute_face_descriptor`, times DLIB_UNIT."""
    embedder = load_pack("dlib", folder, folder).embedder
    assert isinstance(embedder, DlibResnet)
    own = np.loadtxt(Path(__file__).with_name("dlib_descriptors.txt")) / DLIB_UNIT
    found = embedder.descriptors(dlib_faces()).astype(float)
    cosines = (own * found).sum(axis=1) / np.linalg.norm(own, axis=1) / np.linalg.norm(found, axis=1)
    assert len(own) == 50 and cosines.min() >= 0.999999
    assert np.abs(own - found).max() < 1.1 * 0.5 / DLIB_UNIT + 1e-6
    between = found @ found.T / np.outer(np.linalg.norm(found, axis=1), np.linalg.norm(found, axis=1))
    assert between[10:, 10:][~np.eye(40, dtype=bool)].min() < 0.9  # they are unlike faces


# Searching and embedding side by side


@needs_shared_pack
def test_scrfd_in_the_pictures_own_shape_finds_what_the_square_finds(group: np.ndarray) -> None:
    file = SHARED_PACK / "det_2.5g.onnx"
    free, fixed = scrfd.load_dynamic_scrfd(file), scrfd.load_insightface_model(file)
    assert free is not None and fixed.static_input_size == (640, 640)
    own, square = scrfd.Scrfd(free, (640, 640)), scrfd.Scrfd(fixed, (640, 640), dynamic=False)
    for part in (group, group[:, 300:700], group[:500], np.ascontiguousarray(group[50:, ::-1])):
        scale = 640 / max(part.shape[:2])
        size = (round(part.shape[1] * scale), round(part.shape[0] * scale))
        picture = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BOX))
        ours, theirs = own.detect(picture, 0.5), square.detect(picture, 0.5)
        assert len(ours) == len(theirs) > 0
        sides = theirs.boxes[:, 2:].max(axis=1)
        assert (np.abs(ours.boxes - theirs.boxes).max(axis=1) < 0.03 * sides).all()
        assert (np.abs(ours.landmarks - theirs.landmarks).max(axis=(1, 2)) < 0.03 * sides).all()
    assert len(own.detect(group, 0.5)) == 6


@needs_shared_pack
def test_the_square_is_searched_as_insightface_searches_it(group: np.ndarray) -> None:
    model = scrfd.load_insightface_model(SHARED_PACK / "det_2.5g.onnx")
    ours = scrfd.Scrfd(model, (640, 640), dynamic=False).detect(group, 0.5)
    found, landmarks = model.detect(group[..., ::-1], input_size=(640, 640), det_thresh=0.5)
    assert np.allclose(ours.boxes[:, :2] + ours.boxes[:, 2:], found[:, 2:4], atol=0.01)
    assert np.allclose(ours.landmarks, landmarks, atol=0.01) and np.allclose(ours.scores, found[:, 4])


def test_a_detector_with_sizes_written_into_its_layers_stays_a_square(tmp_path: Path) -> None:
    fixed = onnx_model(
        tmp_path / "det.onnx",
        [("Reshape", ["picture", "shape"], "vector", {})],
        {"shape": np.array([1, 3 * 640 * 640, 1], np.int64)},
        (1, 3, 640, 640),
        (1, 3 * 640 * 640, 1),
    )
    assert scrfd.load_dynamic_scrfd(fixed) is None


@pytest.mark.parametrize("name", ["builtin", "shared"])
def test_many_threads_may_search_with_one_detector(name: str, builtin: ModelPack, group: np.ndarray) -> None:
    if name == "shared" and not SHARED_PACK.is_dir():
        pytest.skip("the InsightFace-format pack is not on this machine")
    detector = builtin.detector
    if name == "shared":
        detector = scrfd.Scrfd(scrfd.load_dynamic_scrfd(SHARED_PACK / "det_2.5g.onnx"))
    pictures = [group[top : top + height, :640] for top in (0, 100, 300) for height in (300, 420, 550)]
    alone = [detector.detect(picture, 0.5) for picture in pictures]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda picture: detector.detect(picture, 0.5), pictures))
    assert sum(map(len, alone)) > 10
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.boxes, other.boxes) and np.array_equal(one.landmarks, other.landmarks)


@pytest.mark.usefixtures("in_float32")
def test_the_models_have_one_thread_a_call(folder: Path) -> None:
    pack = load_pack("builtin", folder, folder)
    for model in (pack.detector, pack.embedder):
        assert model.session.get_session_options().intra_op_num_threads == 1  # type: ignore[attr-defined]


def test_batches_are_embedded_side_by_side_and_come_in_their_order(builtin: ModelPack, chips: np.ndarray) -> None:
    busy: list[int] = []

    class Watched:
        dim = builtin.embedder.dim

        def embed(self, chips: np.ndarray) -> np.ndarray:
            busy.append(threading.get_ident())
            return builtin.embedder.embed(chips)

    stored = [encode_chip(chip) for chip in chips] * 4
    frame = pl.DataFrame({"face_id": [f"{i:02}" for i in range(len(stored))], "chip": stored})
    done = list(embed_faces([frame], Watched(), batch=2, workers=3))
    assert pl.concat([one.rows for one in done])["face_id"].to_list() == frame["face_id"].to_list()
    assert len(set(busy)) > 1 and threading.get_ident() not in busy


def test_a_broken_chip_is_named_and_stops_nothing(builtin: ModelPack, chips: np.ndarray) -> None:
    stored = [encode_chip(chip) for chip in chips]
    small = encode_chip(np.zeros((CHIP_SIZE, CHIP_SIZE // 2, 3), np.uint8))
    frames = [
        pl.DataFrame({"face_id": ["a", "b", "c", "d"], "chip": [stored[0], b"no picture", None, stored[1]]}),
        pl.DataFrame({"face_id": ["e", "f", "g"], "chip": [small, stored[2], stored[3][:2000]]}),
    ]
    done = list(embed_faces(frames, builtin.embedder, batch=3))
    assert [batch.rows["face_id"].to_list() for batch in done] == [["a"], ["d"], ["f"]]
    assert [batch.undecoded for batch in done] == [["b", "c"], [], ["e", "g"]]
    vectors = pl.concat([batch.rows for batch in done])["vector"].to_numpy()
    assert np.allclose(vectors, builtin.embedder.embed(chips[:3]), atol=0.1)


def test_vectors_do_not_depend_on_the_batch(builtin: ModelPack, chips: np.ndarray) -> None:
    frame = pl.DataFrame({"face_id": list("abcdef"), "chip": [encode_chip(chip) for chip in chips]})
    found = [
        pl.concat([batch.rows for batch in embed_faces([frame], builtin.embedder, size)])["vector"].to_numpy()
        for size in (1, 4, 6)
    ]
    assert np.allclose(found[0], found[1], atol=1e-5) and np.allclose(found[0], found[2], atol=1e-5)
