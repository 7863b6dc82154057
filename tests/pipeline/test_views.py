"""Views join any columns of a dataset."""

from pathlib import Path

import numpy as np
import pytest

from common_fate.errors import ShardError
from common_fate.shards.codecs import encode
from common_fate.shards.column import Shard
from common_fate.shards.writer import write_shard
from pipeline.registry import STAGES, VIEWS
from pipeline.views import View, build_view

LABELLED = View(
    name="labelled",
    version=1,
    anchor="flow",
    columns={
        "frames": ("jpg", "json"),
        "flow": ("flow.b2", "json"),
        "truth": ("flow.b2", "valid.png", "objects.png"),
        "masks": ("objects.png",),
    },
    prefixes={"truth": "truth"},
)


def made(folder: Path, **without: str) -> dict[str, Path]:
    """A shard of two frames of each column of `LABELLED`, but for the samples that `without` names by column."""

    def flow(u: float) -> bytes:
        return encode("flow.b2", np.full((2, 4, 6), u, np.float32))

    def labels(value: int) -> bytes:
        return encode("png", np.full((4, 6), value, np.uint8))

    members = {
        "frames": lambda n: {"jpg": b"picture", "json": encode("json", {"video": "v", "frame": n, "next": n + 1})},
        "flow": lambda n: {"flow.b2": flow(n), "json": encode("json", {"next": n + 1, "clipped": 0})},
        "truth": lambda n: {"flow.b2": flow(n + 0.5), "valid.png": labels(255), "objects.png": labels(7)},
        "masks": lambda n: {"objects.png": labels(n + 1)},
    }
    for column, of in members.items():
        keys = {n: f"v-{n:06d}" for n in range(2)}
        samples = [(key, of(n)) for n, key in keys.items() if without.get(column) != key]
        facts = {"stage": column, "version": 1, "options": {}, "inputs": {}}
        write_shard(folder / column / "000000.tar", samples, lambda facts=facts: facts)
    return {column: folder / column / "000000.tar" for column in members}


def test_flow_truth_and_masks_stand_side_by_side(tmp_path: Path):
    record = build_view(LABELLED, made(tmp_path), tmp_path / "shards/labelled/000000.tar")
    exact = ["truth.flow.b2", "truth.valid.png", "truth.objects.png"]
    assert record.extensions == ["jpg", "flow.b2", *exact, "objects.png", "json"]
    with Shard(tmp_path / "shards/labelled/000000.tar") as shard:
        sample = shard["v-000001"]
        assert (sample["flow.b2"][0, 0, 0], sample["truth.flow.b2"][0, 0, 0]) == (1, 1.5)
        assert (sample["objects.png"][0, 0], sample["truth.objects.png"][0, 0]) == (2, 7)
        assert sample["json"] == {"video": "v", "frame": 1, "next": 2, "clipped": 0}


def test_a_frame_without_masks_is_left_out_and_the_record_says_so(tmp_path: Path):
    record = build_view(LABELLED, made(tmp_path, masks="v-000000"), tmp_path / "shards/labelled/000000.tar")
    assert record.keys == ["v-000001"]
    assert record.failures == [{"key": "v-000000", "stage": "masks", "reason": "no such sample in this column"}]


def test_members_of_one_name_need_a_prefix():
    columns = {"frames": ("jpg", "json"), "flow": ("flow.b2", "json"), "truth": ("flow.b2", "valid.png")}
    with pytest.raises(ValueError, match=r"flow and truth both have flow\.b2: give one a prefix"):
        View("both", 1, "flow", columns)
    View("both", 1, "flow", columns, prefixes={"truth": "exact"})


def test_a_prefix_or_an_anchor_of_no_column_is_refused():
    columns = {"frames": ("jpg", "json")}
    with pytest.raises(ValueError, match="view some: joins no column flow"):
        View("some", 1, "flow", columns)
    with pytest.raises(ValueError, match="view some: joins no column truth"):
        View("some", 1, "frames", columns, prefixes={"truth": "truth"})


def test_a_member_that_a_column_lacks_is_said_with_those_it_has(tmp_path: Path):
    view = View("masked", 1, "masks", {"masks": ("objects.png", "classes.png")})
    with pytest.raises(ShardError, match=r"masks/000000\.tar: has members \['objects\.png'\]; masked needs"):
        build_view(view, made(tmp_path), tmp_path / "shards/masked/000000.tar")


def test_the_views_that_there_are_join_columns_that_there_are():
    for view in VIEWS.values():
        assert set(view.columns) <= set(STAGES)
        assert "json" in view.columns["frames"]


def test_of_neighbours_the_frames_join_and_not_their_truth(tmp_path: Path):
    """The last frame of a video has no exact flow, and the one before it is a sample all the same."""

    def frame(number: int) -> dict[str, bytes]:
        facts = {"video": "v", "frame": number, "previous": number - 1 if number else None}
        facts["next"] = number + 1 if number < 2 else None
        return {"jpg": b"picture", "json": encode("json", facts)}

    mask = encode("png", np.full((4, 6), 255, np.uint8))
    exact = {"flow.b2": encode("flow.b2", np.ones((2, 4, 6), np.float32)), "valid.png": mask}
    for name, occlusion in (("known", {"occlusion.png": mask}), ("unknown", {})):
        columns = {"frames": map(frame, range(3)), "truth": [exact | occlusion] * 2}
        for column, samples in columns.items():
            keyed = [(f"v-{number:06d}", members) for number, members in enumerate(samples)]
            facts = {"stage": column, "version": 1, "options": {}, "inputs": {}}
            write_shard(tmp_path / name / column / "000000.tar", keyed, lambda facts=facts: facts)
        inputs = {column: tmp_path / name / column / "000000.tar" for column in columns}
        record = build_view(VIEWS["flow"], inputs, tmp_path / name / "shards/flow/000000.tar")
        assert record.keys == ["v-000001"]
        assert not record.failures
        assert ("truth.occlusion.png" in record.extensions) == bool(occlusion)
        assert {"previous.jpg", "next.jpg", "truth.flow.b2"} <= set(record.extensions)
        assert "next.truth.flow.b2" not in record.extensions


def images_with_points(folder: Path, failed: dict[str, str], points: int = 3) -> dict[str, Path]:
    """The columns of `objects`: three frames of a video, of which so many have named points."""
    keys = [f"v-{number:06d}" for number in range(3)]
    named = {"points.npy": encode("npy", np.ones((1, 3), np.float32)), "json": encode("json", {"landmarks": ["nose"]})}
    columns = {
        "frames": {
            key: {
                "jpg": b"picture",
                "json": encode("json", {"video": "v", "frame": n, "next": n + 1 if n < 2 else None}),
            }
            for n, key in enumerate(keys)
        },
        "landmarks": {key: named for key in keys[:points] if key not in failed},
    }
    for name, samples in columns.items():
        rows = [{"key": key, "stage": name, "reason": reason} for key, reason in failed.items() if name == "landmarks"]
        facts = {"stage": name, "version": 1, "options": {}, "inputs": {}, "failures": rows}
        write_shard(folder / name / "000000.tar", samples.items(), lambda facts=facts: facts)
    return {name: folder / name / "000000.tar" for name in columns}


def test_a_frame_whose_points_failed_leaves_the_view_and_is_counted(tmp_path: Path):
    outside = "a visible point lies outside the image"
    inputs = images_with_points(tmp_path, {"v-000001": outside})
    record = build_view(VIEWS["objects"], inputs, tmp_path / "shards/objects/000000.tar")
    assert record.keys == ["v-000000", "v-000002"]
    assert record.extensions == ["jpg", "points.npy", "json"]
    assert record.failures == [{"key": "v-000001", "stage": "landmarks", "reason": outside}]
    with Shard(tmp_path / "shards/objects/000000.tar") as shard:
        assert shard["v-000000"]["json"] == {"video": "v", "frame": 0, "next": 1, "landmarks": ["nose"]}


def test_frames_without_points_are_samples_all_the_same(tmp_path: Path):
    record = build_view(VIEWS["objects"], images_with_points(tmp_path, {}, points=0), tmp_path / "view/000000.tar")
    assert (record.samples, record.extensions, record.failures) == (3, ["jpg", "json"], [])


def test_a_pair_is_lost_with_the_points_of_its_second_frame(tmp_path: Path):
    view = View(
        name="pairs",
        version=1,
        anchor="frames",
        columns={"frames": ("jpg", "json"), "landmarks": ()},
        optional={"landmarks": ("points.npy", "json")},
        follow=("next",),
    )
    record = build_view(view, images_with_points(tmp_path, {}), tmp_path / "whole/000000.tar")
    assert record.keys == ["v-000000", "v-000001"]
    assert record.extensions == ["jpg", "points.npy", "next.jpg", "next.points.npy", "json"]
    record = build_view(view, images_with_points(tmp_path / "x", {"v-000002": "damaged"}), tmp_path / "lost/000000.tar")
    assert record.keys == ["v-000000"]
    assert {row["key"]: row["reason"] for row in record.failures} == {
        "v-000001": "no sample of a frame that belongs to it in this column",
        "v-000002": "damaged",
    }
