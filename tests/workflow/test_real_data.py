"""The workflow on real material, as it comes: one run of several datasets, checked against other people's decoders."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import ndimage

from common_fate.datasets.verify import verify
from common_fate.torch import ShardDataset
from pipeline.sources.ids import video_id
from tests.support.workspace import Workspace

pytestmark = pytest.mark.slow

DATASETS = ("davis", "clips", "sintel", "middlebury", "photos", "synthetic")
PAIRED = tuple(name for name in DATASETS if name != "photos")
KERNEL = 31
PUBLISHED = (1, 4, 10, 21, 28)  # the frames of the example in the CMP paper, section 4
SIDE = 160


@pytest.fixture(scope="module")
def run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Counter[str]]:
    """All the real datasets built by one run of Snakemake, and the jobs that it ran."""
    workspace = Workspace(tmp_path_factory.mktemp("real"))
    numbered = workspace.folder / "numbered/published"
    numbered.mkdir(parents=True)
    for number in PUBLISHED:
        (numbered / f"{number}.jpg").symlink_to(davis(shared_data, "dog", number))
    workspace.configure(datasets(shared_data))
    return workspace, workspace.make()


@pytest.fixture
def built(run: tuple[Workspace, Counter[str]]) -> Path:
    """The folder of results."""
    return run[0].folder / "results"


def datasets(data: Path) -> dict[str, Any]:
    few = {"guidance": {"kernel_size": KERNEL}, "min_success": 0}
    flow = data / "flow"
    return {
        "davis": {
            "source": {"kind": "frames", "path": f"{data}/davis2016/JPEGImages/480p/*"},
            "frames": {"select": {"random": 3}, "pairs": {"offset": 5}, "shorter_side": SIDE},
            **few,
        },
        "clips": {
            "source": {"kind": "videos", "path": [f"{data}/video/{name}" for name in ("*.mp4", "*.mkv", "broken/*")]},
            "frames": {"select": {"list": [0, 30, 100]}, "pairs": {"offset": 2}, "shorter_side": SIDE},
            **few,
        },
        "sintel": {
            "source": {
                "kind": "frames",
                "path": f"{flow}/sintel/training/final/*",
                "flow": f"{flow}/sintel/training/flow",
            },
            "frames": {"shorter_side": None},
        },
        "middlebury": {
            "source": {"kind": "frames", "path": [f"{flow}/middlebury/*", "numbered/*"], "flow": f"{flow}/middlebury"},
            "frames": {"shorter_side": None},
        },
        "photos": {
            "source": {"kind": "images", "path": f"{data}/segmentation/coco/*.jpg"},
            "frames": {"shorter_side": SIDE},
        },
        "synthetic": {"source": {"kind": "synthetic", "videos": 2, "frames": 3, "height": 192, "width": 256}},
    }


def davis(data: Path, sequence: str, frame: int, what: str = "JPEGImages", suffix: str = "jpg") -> Path:
    return data / "davis2016" / what / "480p" / sequence / f"{frame:05d}.{suffix}"


def sequences(data: Path) -> dict[str, str]:
    """DAVIS sequences by the id that they get: a name such as car-shadow is not safe in a key."""
    return {video_id(name, folder=True): name for name in os.listdir(data / "davis2016/JPEGImages/480p")}


def rows(built: Path, dataset: str) -> list[dict[str, Any]]:
    return pq.read_table(built / dataset / "shards/cmp/samples.parquet").to_pylist()


def pairs(built: Path, dataset: str) -> dict[str, list[tuple[int, int]]]:
    """The pairs of each video that the reader gives."""
    found: dict[str, list[tuple[int, int]]] = {}
    for sample in ShardDataset(built / dataset / "shards/cmp"):
        found.setdefault(sample["json"]["video"], []).append((sample["json"]["frame"], sample["json"]["next"]))
    return found


def flow_error_table(built: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The report's table: cells by column, of each dataset and estimator."""
    page = (built / "report/flow_error.html").read_text()
    names, *cells = [
        [cell.strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in re.findall("<tr>.*", page)
    ]
    return {(row[0], row[1]): dict(zip(names, row, strict=True)) for row in cells}


def difference(sample: dict[str, Any], bgr: np.ndarray) -> float:
    """The mean difference in grey levels of a sample's image from a picture of any size."""
    _, height, width = sample["image"].shape
    rgb = cv2.cvtColor(cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    return float(np.abs(255 * sample["image"].numpy().transpose(1, 2, 0) - rgb).mean())


def test_each_dataset_takes_one_job_a_stage(run: tuple[Workspace, Counter[str]]):
    with_truth = 3
    assert run[1] == {
        **dict.fromkeys(("frames_shard", "contact_sheet", "statistics"), len(DATASETS)),
        **dict.fromkeys(("flow_shard", "guidance_shard", "view_shard", "manifest"), len(PAIRED)),
        "truth_shard": with_truth,
        "flow_error": 1,
        "home": 1,
    }


def test_a_second_run_has_no_jobs(run: tuple[Workspace, Counter[str]]):
    assert not run[0].make()


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_byte_is_in_order(built: Path, dataset: str):
    assert list(verify(built / dataset, full=True)) == []


def test_davis_gives_three_pairs_a_sequence_five_frames_apart(built: Path, shared_data: Path):
    found = pairs(built, "davis")
    assert set(found) == set(sequences(shared_data))
    for video in found.values():
        assert len(video) == 3
        assert all(following - frame == 5 for frame, following in video)
    assert [row["failure"] for row in rows(built, "davis")] == [None] * 18


def test_every_clip_gives_samples_or_says_why_not(built: Path):
    short = dict.fromkeys(("unordered", "video_0", "video_90", "video_180", "video_270", "corrupted"), (0,))
    whole = dict.fromkeys(
        ("bigbuckbunny", "bikes", "carphone_pristine", "cockatoo", "flipping_a_pancake"), (0, 30, 100)
    )
    made = {video: tuple(frame for frame, _ in found) for video, found in pairs(built, "clips").items()}
    assert made == whole | short | {"realshort": (0, 30)}
    failures = {row["key"]: row["failure"] for row in rows(built, "clips") if row["failure"]}
    absent = {f"{video}-{frame:06d}" for video, had in made.items() for frame in (30, 100) if frame not in had}
    assert set(failures) == absent
    assert failures.pop("corrupted-000030") == "damaged: it cannot be decoded without error"
    assert set(failures.values()) == {"no such frame"}


def test_the_pairs_of_the_papers_example(built: Path):
    assert pairs(built, "middlebury")["published"] == [(1, 4), (4, 10), (21, 28)]


def test_single_images_are_frames_alone(built: Path, shared_data: Path):
    assert sorted(path.name for path in (built / "photos").iterdir()) == ["catalog.parquet", "frames", "plan.json"]
    photos = {path.stem for path in (shared_data / "segmentation/coco").glob("*.jpg")}
    assert set(pq.read_table(built / "photos/catalog.parquet")["video"].to_pylist()) == photos


def test_davis_pictures_are_the_frames_they_say_they_are(built: Path, shared_data: Path):
    names = sequences(shared_data)
    for sample in ShardDataset(built / "davis/shards/cmp"):
        facts = sample["json"]
        assert min(sample["image"].shape[1:]) == SIDE
        frame = cv2.imread(str(davis(shared_data, names[facts["video"]], facts["frame"])))
        assert difference(sample, frame) < 3


def test_video_pictures_are_those_of_another_decoder(built: Path, shared_data: Path):
    files = {path.stem: path for path in (shared_data / "video").rglob("*.*")}
    for sample in ShardDataset(built / "clips/shards/cmp"):
        facts = sample["json"]
        capture = cv2.VideoCapture(str(files[facts["video"]]))  # heeds rotation tags, too
        for _ in range(facts["frame"] + 1):
            _, frame = capture.read()
        upright = facts["height"] > facts["width"]
        assert upright == (facts["video"] in ("video_90", "video_270"))
        assert difference(sample, frame) < 4, sample["key"]


def test_key_points_are_the_farthest_from_motion_edges_around(built: Path):
    """By SciPy and the paper's definition, from the flow that the reader gives."""
    for sample in ShardDataset(built / "davis/shards/cmp"):
        strength = sum(
            np.hypot(ndimage.sobel(field, 0, mode="reflect"), ndimage.sobel(field, 1, mode="reflect"))
            for field in sample["flow"].numpy().astype(np.float64)
        )
        distance = ndimage.distance_transform_edt(strength <= 0.1 * strength.max())
        y, x = sample["guidance"][:, :2].numpy().astype(int).T
        assert len(y)
        np.testing.assert_allclose(sample["guidance"][:, 2], distance[y, x], rtol=1e-5)
        np.testing.assert_array_equal(distance[y, x], ndimage.maximum_filter(distance, KERNEL)[y, x])


def test_most_moving_objects_have_a_key_point(built: Path, shared_data: Path):
    """What guidance is for: in most of DAVIS's frames it tells the motion of the annotated object."""
    names = sequences(shared_data)
    told = []
    for sample in ShardDataset(built / "davis/shards/cmp"):
        facts = sample["json"]
        mask = cv2.imread(str(davis(shared_data, names[facts["video"]], facts["frame"], "Annotations", "png")), 0)
        mask = cv2.resize(mask, (facts["width"], facts["height"]), interpolation=cv2.INTER_NEAREST) > 127
        y, x = sample["guidance"][:, :2].numpy().astype(int).T
        told.append(bool(mask[y, x].any()))
    assert sum(told) > len(told) / 2


def test_flow_error_is_that_of_the_estimator(built: Path):
    """DIS medium on the lossless frames has 0.38 px on Middlebury and 8.6 px on these frames of Sintel's final pass."""
    table = flow_error_table(built)
    assert set(table) == {
        (name, who) for name in ("sintel", "middlebury", "synthetic") for who in ("dis medium", "no motion")
    }
    error = {key: float(row["all"]) for key, row in table.items()}
    assert error["middlebury", "dis medium"] == pytest.approx(0.38, abs=0.06)
    assert error["sintel", "dis medium"] == pytest.approx(8.6, abs=0.9)
    assert error["synthetic", "dis medium"] < error["synthetic", "no motion"] / 2
    assert [table[name, "dis medium"]["pairs"] for name in ("middlebury", "sintel")] == ["4", "2"]


@pytest.mark.parametrize("dataset", DATASETS)
def test_each_dataset_has_a_contact_sheet(built: Path, dataset: str):
    [path] = (built / "report" / dataset).glob("contact_sheet_*.png")
    sheet = cv2.imread(str(path))
    assert min(sheet.shape[:2]) > 200
    assert sheet.std() > 20
