import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from common_fate.errors import SampleError, UserError
from common_fate.shards.record import file_sha256
from pipeline.columns.regions.contours.detectors import SHIPPED, ContourOptions, create_detector

FRAME = {"jpg": np.zeros((20, 30, 3), np.uint8), "json": {"video": "ape", "frame": 7}}


def maps(folder: Path) -> ContourOptions:
    return ContourOptions(detector="maps", maps=str(folder))


def test_the_forest_is_the_one_of_its_record():
    """Whoever trains another one raises the version of the stage, so that shards are made again."""
    record = json.loads(SHIPPED.with_name("bsds500.json").read_text())
    assert file_sha256(SHIPPED) == record["sha256"]


@pytest.mark.parametrize("name", ["ape-000007.png", "ape.png"])
def test_a_map_is_found_by_frame_or_by_image(tmp_path: Path, name: str):
    strength = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)
    cv2.imwrite(str(tmp_path / name), strength)
    np.testing.assert_array_equal(create_detector(maps(tmp_path))(FRAME), strength.astype(np.float32) / 255)


def test_a_map_of_another_size_is_resized_and_one_of_another_shape_refused(tmp_path: Path):
    halves = np.zeros((40, 60), np.uint16)
    halves[:, 30:] = 65535
    cv2.imwrite(str(tmp_path / "ape.png"), halves)
    np.testing.assert_allclose(create_detector(maps(tmp_path))(FRAME), halves[::2, ::2] / 65535)
    cv2.imwrite(str(tmp_path / "ape.png"), halves[:, :40])
    with pytest.raises(SampleError, match="40x40, which is not the shape of 30x20"):
        create_detector(maps(tmp_path))(FRAME)


def test_what_is_missing_or_damaged_is_said(tmp_path: Path):
    with pytest.raises(UserError, match="no such folder"):
        create_detector(maps(tmp_path / "none"))
    with pytest.raises(SampleError, match=r"has no map called KEY\.png or VIDEO\.png"):
        create_detector(maps(tmp_path))(FRAME)
    (tmp_path / "ape.png").write_bytes(b"not a picture")
    with pytest.raises(SampleError, match="the map of its contours does not decode: damaged PNG"):
        create_detector(maps(tmp_path))(FRAME)
    with pytest.raises(ValueError, match="give both or neither"):
        ContourOptions(maps="folder")
