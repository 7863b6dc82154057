import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
from scipy.cluster.hierarchy import cophenet
from scipy.spatial.distance import squareform

from common_fate.datasets.export import Forms, export
from common_fate.errors import ShardError, UserError
from common_fate.foreign.flow_files import read_flo, read_kitti_png
from common_fate.pictures import draw_flow_arrows
from common_fate.shards.codecs import decode, encode
from common_fate.shards.column import Shard
from common_fate.shards.writer import write_shard
from tests.support.made_dataset import HEIGHT, WIDTH, image, key, make_dataset, points, true_flow

KEY = key(2, 3)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("export") / "small")


def test_a_sample_is_files_that_other_programs_read(dataset: Path, tmp_path: Path):
    assert export(dataset / "shards/cmp", tmp_path / "out", [KEY]) == 4
    files = {path.name.removeprefix(f"{KEY}."): path for path in (tmp_path / "out").iterdir()}
    assert sorted(files) == ["flow.flo", "guidance.npy", "jpg", "json"]
    picture = cv2.imread(str(files["jpg"]), cv2.IMREAD_COLOR_RGB)
    assert np.abs(picture.astype(int) - image(2, 3)[..., ::-1]).mean() < 20  # made as OpenCV has it
    flow, valid = read_flo(files["flow.flo"])
    np.testing.assert_array_equal(flow, true_flow(2, 3) + np.float32(0.5) * (true_flow(2, 3) > 0))
    assert valid.all()
    np.testing.assert_array_equal(np.load(files["guidance.npy"]), points(2, 3))
    assert json.loads(files["json"].read_text())["video"] == "cat"


def test_flow_arrays_and_images_have_other_forms(dataset: Path, tmp_path: Path):
    export(dataset / "shards/cmp", tmp_path, [KEY], Forms("png", "kitti", arrays="csv"))
    flow, _ = read_kitti_png(tmp_path / f"{KEY}.flow.png")
    assert flow[0].max() == 41.5
    assert np.loadtxt(tmp_path / f"{KEY}.guidance.csv", delimiter=",").tolist() == points(2, 3).tolist()
    with Shard(dataset / "shards/cmp/000002.tar") as shard:
        decoded = shard[KEY]["jpg"]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / f"{KEY}.png"), cv2.IMREAD_COLOR_RGB), decoded)
    export(dataset / "flow", tmp_path / "seen", [KEY], Forms(flow="color"))
    assert cv2.imread(str(tmp_path / "seen" / f"{KEY}.flow.png")).shape == (HEIGHT, WIDTH, 3)


def test_flow_is_seen_as_arrows_over_its_frame(dataset: Path, tmp_path: Path):
    """The right half moves to the right: there, and nowhere else, are arrows to the right, which are red."""
    export(dataset / "shards/cmp", tmp_path, [KEY], Forms(flow="arrows"))
    picture = cv2.imread(str(tmp_path / f"{KEY}.flow.png"), cv2.IMREAD_COLOR_RGB).astype(int)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    red = (picture[..., 0] > 200) & (picture[..., 1:].max(axis=-1) < 80)
    assert red[:, WIDTH // 2 :].mean() > 0.1
    assert not red[:, : WIDTH // 2 - 2].any()
    with Shard(dataset / "shards/cmp/000002.tar") as shard:
        seen, frame = shard[KEY]["flow.b2"], shard[KEY]["jpg"]
    assert draw_flow_arrows(seen, np.zeros((HEIGHT, WIDTH), bool), frame).max() < 128  # dimmed, and no arrow


def test_regions_are_ucm2_for_the_berkeley_tools(tmp_path: Path):
    """Three bands merge at 0.25 and then at 0.75: each boundary is as high as where the two sides of it merge."""
    labels = np.repeat(np.array([[0, 0, 1, 1, 1, 2]], np.uint8), 4, axis=0)
    labels[3, :2] = 2
    tree = np.array([[0, 1, 0.25, 2], [2, 3, 0.75, 3]], np.float32)
    with_regions(tmp_path / "regions", labels, tree)
    assert export(tmp_path / "regions", tmp_path / "out", forms=Forms(regions="ucm2")) == 1
    ucm = scipy.io.loadmat(tmp_path / "out/a-000000.ucm2.mat")["ucm2"]
    height, width = labels.shape
    assert ucm.shape == (2 * height + 1, 2 * width + 1)
    cophenetic = squareform(cophenet(tree.astype(float)))
    for y, x in np.ndindex(height, width):
        assert ucm[2 * y + 1, 2 * x + 1] == 0
        if x + 1 < width:
            assert ucm[2 * y + 1, 2 * x + 2] == cophenetic[labels[y, x], labels[y, x + 1]]
        if y + 1 < height:
            assert ucm[2 * y + 2, 2 * x + 1] == cophenetic[labels[y, x], labels[y + 1, x]]
    corners = np.pad(ucm, 1)
    for y, x in np.ndindex(height + 1, width + 1):
        around = [corners[2 * y + 1 + dy, 2 * x + 1 + dx] for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        assert ucm[2 * y, 2 * x] == max(around)
    assert export(tmp_path / "regions", tmp_path / "parts") == 2


def test_labels_beyond_their_tree_are_refused(tmp_path: Path):
    with_regions(tmp_path / "regions", np.array([[0, 2]], np.uint8), np.array([[0, 1, 0.5, 2]], np.float32))
    with pytest.raises(ShardError, match=r"a-000000: a label is none of the 2 leaves of the tree"):
        export(tmp_path / "regions", tmp_path / "out", forms=Forms(regions="ucm2"))


def with_regions(folder: Path, labels: np.ndarray, tree: np.ndarray) -> None:
    members = {name: encode(name, value) for name, value in (("regions.png", labels), ("tree.npy", tree))}
    facts = {"stage": "regions", "version": 1, "options": {}, "inputs": {}}
    write_shard(folder / "000000.tar", [("a-000000", members)], lambda: facts)


def test_unknown_flow_is_unknown_in_the_file(dataset: Path, tmp_path: Path):
    valid = np.zeros((HEIGHT, WIDTH), np.uint8)
    valid[:10] = 255
    members = {"flow.b2": encode("flow.b2", true_flow(0, 0)), "valid.png": encode("valid.png", valid)}
    facts = {"stage": "truth", "version": 1, "options": {}, "inputs": {}}
    write_shard(tmp_path / "truth/000000.tar", [("a-000000", members)], lambda: facts)
    export(tmp_path / "truth", tmp_path / "out")
    _, known = read_flo(tmp_path / "out/a-000000.flow.flo")
    np.testing.assert_array_equal(known, valid > 0)
    assert decode("png", (tmp_path / "out/a-000000.valid.png").read_bytes()).tolist() == valid.tolist()


def test_all_samples_are_exported_where_none_is_named_and_the_same_again_changes_nothing(dataset: Path, tmp_path: Path):
    assert export(dataset / "guidance", tmp_path) == 11
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert export(dataset / "guidance", tmp_path) == 11
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_file_of_somebody_else_stays(dataset: Path, tmp_path: Path):
    mine = tmp_path / f"{KEY}.guidance.npy"
    mine.write_text("mine")
    with pytest.raises(UserError, match="is there already, and is something else"):
        export(dataset / "guidance", tmp_path, [KEY])
    assert mine.read_text() == "mine"
    mine.unlink()
    mine.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is something else"):
        export(dataset / "guidance", tmp_path, [KEY])
    assert not (tmp_path / "elsewhere").exists()


def test_what_cannot_be_exported_is_refused(dataset: Path, tmp_path: Path):
    with pytest.raises(UserError, match="has no sample 'cow-000001'"):
        export(dataset / "guidance", tmp_path, ["cow-000001"])
    with pytest.raises(UserError, match="lies in a dataset's own folder"):
        export(dataset / "guidance", dataset / "plain")
    (tmp_path / "link").symlink_to(dataset / "shards")
    for to in (tmp_path / "link", tmp_path / "link/plain"):
        with pytest.raises(UserError, match="lies in a dataset's own folder"):
            export(dataset / "guidance", to)
    with pytest.raises(UserError, match="has no samples"):
        export(tmp_path, tmp_path / "out")


def test_a_damaged_shard_is_not_exported(tmp_path: Path):
    dataset = make_dataset(tmp_path / "small")
    tar = dataset / "guidance/000002.tar"
    data = bytearray(tar.read_bytes())
    data[-2048] ^= 1
    tar.write_bytes(data)
    with pytest.raises(ShardError, match=r"000002\.tar: its bytes changed"):
        export(dataset / "guidance", tmp_path / "out")
