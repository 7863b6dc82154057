from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from common_fate.errors import UserError
from pipeline.sources.archives import Tree
from tests.support.boxed_shapes import shapes, write_image
from trainers.evaluations.boxed_images.images import boxed
from trainers.evaluations.boxed_images.shapes import Runs
from trainers.evaluations.boxed_images.survey import surveyed

(IMAGE, *_) = shapes(1)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    write_image(tmp_path / "a.png", IMAGE.image[:40])
    (tmp_path / "damaged.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    return Tree(((str(tmp_path), ""),))


def test_boxes_end_at_the_border_and_none_is_nowhere(tree):
    masks = tuple(Runs((40, 64), np.array([number, 40 * 64 - number])) for number in range(5))
    boxes = [(-5, -5, 10, 10), (60, 30, 64.5, 40), (70, 0, 80, 10), (5, 5, 5, 20), (9, 9, 3, 12)]
    one = boxed("a", "a.png", boxes, [0, 1, 2, 3, 4], crowd=[False, True, False, False, False], shapes=masks)
    (kept,), found = surveyed(tree, [one], "look", 0)
    assert kept.boxes.tolist() == [[0, 0, 10, 10], [60, 30, 64, 40]]
    assert (kept.labels.tolist(), kept.crowd.tolist(), kept.size) == ([0, 1], [False, True], (40, 64))
    assert [int(shape.counts[0]) for shape in kept.shapes] == [0, 1], "and the masks stay with their boxes"
    assert found.clipped == 1, "half a pixel is not worth a word"
    assert found.degenerate == Counter({"a": 3})
    said = found.notes("train")
    assert said == (
        " Of the data to train on: 1 boxes reached beyond their images and are clipped, 3 boxes have no width or "
        "height on their images and are left out, on a, 1 crowds do not count."
    )


def test_images_that_cannot_be_read_are_left_out_and_named(tree):
    names = ["a", "damaged", *(f"gone{i}" for i in range(6))]
    listed = [boxed(name, f"{name}.png", [(0, 0, 9, 9)], [0]) for name in names]
    other = boxed("other", "a.png", [(0, 0, 9, 9)], [0], size=(64, 64))
    kept, found = surveyed(tree, [*listed, other], "look", 0)
    assert [one.key for one in kept] == ["a"]
    assert found.unreadable["gone0"] == "there is no such file"
    assert found.unreadable["other"] == "it is 64x40, and its annotations are of 64x64"
    said = found.notes("validate")
    assert said.startswith(" Of the data to validate on: 8 images cannot be read and are left out: damaged (")
    assert said.endswith(
        "gone1 (there is no such file), gone2 (there is no such file), gone3 (there is no such file) and 3 more."
    )
    with pytest.raises(UserError, match=r"data\.path: none of 1 images can be read: damaged: "):
        surveyed(tree, listed[1:2], "look", 0)


def test_an_image_of_which_scaling_leaves_nothing_is_left_out(tree, tmp_path):
    write_image(tmp_path / "strip.png", np.zeros((1, 65, 3), np.uint8))
    strip, other = (boxed(name, f"{name}.png", [(0, 0, 9, 1)], [0]) for name in ("strip", "a"))
    kept, found = surveyed(tree, [strip, other], "look", 0, longest=128)
    assert [one.key for one in kept] == ["a"]
    assert found.unreadable == {"strip": "it is 65x1: too long to be scaled to 128 pixels"}
    assert len(surveyed(tree, [strip, other], "look", 0, longest=130)[0]) == 2


def test_shares_become_pixels(tree):
    polygon = np.array([[0.5, 0.5], [1, 0.5], [1, 1]], np.float32)
    one = boxed("a", "a.png", [(0.5, 0.25, 0.75, 1)], [0], shapes=((polygon,),), relative=True)
    (kept,), found = surveyed(tree, [one], "look", 0)
    assert kept.boxes.tolist() == [[32, 10, 48, 40]]
    assert kept.shapes[0][0].tolist() == [[32, 20], [64, 20], [64, 40]]
    assert not kept.relative
    assert not found.notes("train"), "all as it should be"


def test_workers_find_the_same(tree):
    listed = [boxed(f"{i}", "a.png", [(i, 0, 90, 9)], [0]) for i in range(5)]
    alone, together = (surveyed(tree, listed, "look", workers) for workers in (0, 2))
    assert [one.boxes.tolist() for one in alone[0]] == [one.boxes.tolist() for one in together[0]]
    assert alone[1] == together[1]
