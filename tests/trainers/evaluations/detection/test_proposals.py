import numpy as np

from tests.support.boxed_shapes import shapes
from trainers.evaluations.detection.proposals import LONGEST, SelectiveSearch, search
from trainers.metrics.detection import box_iou


def test_shapes_are_among_the_proposals():
    for one in shapes(8):
        boxes = search(one.image)
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert boxes.min() >= 0
        assert boxes.max() <= 64
        assert box_iou(np.array(one.boxes), boxes).max(axis=1).min() > 0.7
        np.testing.assert_array_equal(search(one.image), boxes, "although OpenCV draws random numbers")


def test_large_images_are_searched_smaller_and_boxes_lie_on_the_large_one():
    (one,) = shapes(1)
    large = one.image.repeat(16, axis=0).repeat(16, axis=1)
    assert len(large) > LONGEST
    boxes = search(large)
    assert boxes[:, 2].max() == boxes[:, 3].max() == 1024
    assert box_iou(16 * np.array(one.boxes), boxes).max(axis=1).min() > 0.7


def test_there_is_always_the_whole_image():
    for size in ((1, 1), (1, 40), (5, 3), (30, 40)):
        assert [0, 0, size[1], size[0]] in search(np.full((*size, 3), 77, np.uint8)).tolist()


def test_what_was_found_is_kept_and_what_is_damaged_is_found_again(tmp_path):
    one, other = shapes(2)
    searching = SelectiveSearch(tmp_path, 1000, 0)
    boxes = searching("a", one.image)
    (path,) = tmp_path.iterdir()
    np.save(path, boxes[:3])
    assert len(searching("a", one.image)) == 3, "from the file"
    path.write_bytes(path.read_bytes()[:40])
    np.testing.assert_array_equal(searching("a", one.image), boxes)
    searching("b", other.image)
    assert len(list(tmp_path.iterdir())) == 2


def test_of_too_many_some_are_drawn_always_the_same(tmp_path):
    (one,) = shapes(1)
    every = {tuple(box) for box in search(one.image).tolist()}
    few = SelectiveSearch(tmp_path, 10, 0)("a", one.image)
    assert len(few) == 10 < len(every)
    assert {tuple(box) for box in few.tolist()} < every
    np.testing.assert_array_equal(SelectiveSearch(tmp_path, 10, 0)("a", one.image), few)
    assert not np.array_equal(SelectiveSearch(tmp_path, 10, 1)("a", one.image), few)
