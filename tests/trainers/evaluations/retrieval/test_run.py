"""Retrieval, beside its definition pixel by pixel, and by its command on images whose classes are colours."""

import json

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from common_fate.errors import UserError
from trainers.cli import app
from trainers.evaluations.result import read_result
from trainers.evaluations.retrieval.labels import gather, search, seen, shares
from trainers.evaluations.retrieval.segments import COLOUR, COLOUR_SEGMENTS, FEATURES, Segmentation
from trainers.evaluations.segmentation.data import MaskedImages
from trainers.evaluations.segmentation.options import SegmentationData
from trainers.evaluations.segmentation.pairs import list_pairs
from trainers.evaluations.start import Features

COLOURS = np.array([[60, 60, 60], [220, 40, 40], [40, 60, 220]], np.uint8)
CLASSES = ("ground", "red", "blue", "never")


@pytest.fixture
def data(tmp_path):
    """Squares on a ground, whose images are 40x56 pixels but for one of 5x6; the upper rows are void."""
    rng = np.random.default_rng(0)
    for i in range(12):
        height, width = (5, 6) if i == 3 else (40, 56)
        labels = np.zeros((height, width), np.uint8)
        for label in (1, 2):
            y, x = rng.integers(0, height // 2), rng.integers(0, width // 2)
            labels[y : y + height // 2, x : x + width // 2] = label
        image = np.clip(COLOURS[labels] + rng.normal(0, 8, (height, width, 3)), 0, 255).astype(np.uint8)
        labels[:2] = 255
        for folder, picture in (("images", image[..., ::-1]), ("masks", labels)):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{i:02d}.png"), picture)
    (tmp_path / "val.txt").write_text("02\n05\n08\n11\n")
    paths = {name: str(tmp_path / name) for name in ("images", "masks")}
    return {"kind": "folder", **paths, "classes": CLASSES, "validation_list": str(tmp_path / "val.txt")}


class Tints(nn.Module):
    """Embeds four pixels by how bright they are and how much of it is red and green."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.tensor([0.2, 0.0, 0.0])[:, None, None])

    def embed(self, images: Tensor) -> Tensor:
        padded = nn.functional.pad(images, (0, -images.shape[3] % 2, 0, -images.shape[2] % 2), mode="replicate")
        return nn.functional.normalize(nn.functional.avg_pool2d(padded, 2) + self.offset, dim=1)


def test_it_is_what_its_definition_says(data):
    """Segment by segment and pixel by pixel, from the labels of segments alone."""
    segmentation = Segmentation(Features(Tints(), None), 2, 5, 512, seed=0)
    chosen = SegmentationData(**data)
    train, validation = (MaskedImages(pairs, chosen) for pairs in list_pairs(chosen))
    few: list[str] = []
    asking = gather(seen(segmentation, validation, "ask", few), 4)
    found = search(asking, seen(segmentation, train, "search", few), 3, 4)
    for name, embeds in ((FEATURES, True), (COLOUR, False), (COLOUR_SEGMENTS, False)):
        known = [(each[0], each[1]) for each in described(segmentation, train, name, embeds) if each[1] is not None]
        hits, union = np.zeros(4), np.zeros(4)
        for descriptor, _, mask in described(segmentation, validation, name, embeds):
            label = known[int(np.argmin([np.linalg.norm(descriptor - other) for other, _ in known]))][1]
            for pixel in mask[mask != 255]:
                hits[label] += pixel == label
                for one in {label, pixel}:
                    union[one] += 1
        expected = [h / u if u else None for h, u in zip(hits, union, strict=True)]
        assert shares(asking[name], found[name].predicted(1, 4)) == pytest.approx(expected)
        assert expected[0] > 0.5
        assert expected[3] is None
    assert few == []


def described(segmentation, images, name, embeds):
    """Of each segment its mean, the label of most of its pixels, and its pixels of the mask."""
    for sample in images:
        image = sample["image"].permute(1, 2, 0).numpy()
        labels = segmentation(sample["key"], image)[name].labels
        assert set(labels.ravel()) == set(range(labels.max() + 1))
        grid = labels[::2, ::2]  # features lie there, and all of them are some pixel's
        if embeds:
            points = segmentation.features(sample["image"][None])[0].detach().permute(1, 2, 0).numpy()
        else:
            size = (grid.shape[1], grid.shape[0])
            points = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
        for segment in range(labels.max() + 1):
            mean = points[grid == segment].astype(np.float64).mean(axis=0)
            mask = sample["labels"].numpy()[labels == segment]
            counted = mask[mask != 255]
            label = max(range(4), key=lambda one: (counted == one).sum()) if len(counted) else None
            yield mean / np.linalg.norm(mean) if embeds else mean, label, mask


def run(to, data, *more, **options):
    words = ["evaluate", "retrieval", "--method", "cmp", "--method-options", '{"model": {"encoder": "resnet18"}}']
    words += ["--to", str(to), "--options", json.dumps({"data": data} | options), "--workers", "0", "--threads", "1"]
    outcome = CliRunner().invoke(app, [*words, "--start", "scratch", *more])
    if outcome.exception:
        raise outcome.exception
    return read_result(to)


def test_segments_find_their_like(data, tmp_path):
    measured = run(tmp_path / "first/a.json", data, stride=2, clusters=6, pictured=2)
    mean, *classes = measured.result.rows
    assert (mean.metric, mean.better, mean.samples, set(mean.baselines)) == (
        *("mean IoU", "higher", 4),
        {COLOUR, COLOUR_SEGMENTS},
    )
    assert [row.subset for row in classes] == list(CLASSES)
    assert mean.value == pytest.approx(np.mean([row.value for row in classes[:3]]))
    assert mean.value > 60
    assert mean.baselines[COLOUR_SEGMENTS] > 75, "the classes are colours"
    assert classes[3].value is None
    assert measured.result.about["images"] == 8
    assert measured.result.pictures[0].size[0] > 1000
    assert "No mask to train on has never" in measured.result.note
    again = run(tmp_path / "again/a.json", data, stride=2, clusters=6, pictured=2)
    assert again.result == measured.result


def test_images_of_few_features_and_of_one_colour_are_segmented_all_the_same(data, tmp_path):
    flat = np.full((40, 56, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "images/04.png"), flat)
    measured = run(tmp_path / "a.json", data, neighbours=3, pictured=0)  # features of stride 8: 5x7 of them, and 1x1
    assert measured.result.about["of_few_features"] == 1
    assert "Images with fewer features than there should be segments: 1, such as 03." in measured.result.note
    assert measured.result.pictures == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clusters": 1}, "clusters is 1: from 2 up"),
        ({"neighbours": 0}, "neighbours is 0: from 1 up"),
        ({"longer_side": 4}, "longer_side is 4: pixels, from 16 to"),
        ({"stride": 3}, "resnet18 has no features at stride 3"),
        ({"data": {"path": "nowhere"}}, "nowhere"),
    ],
)
def test_what_cannot_be_measured_is_refused(data, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path / "a.json", **({"data": data} | options))


def test_an_image_without_a_mask_is_named(data, tmp_path):
    (tmp_path / "masks/02.png").unlink()
    with pytest.raises(UserError, match=r"data\.masks: .*02\.png has no mask"):
        run(tmp_path / "a.json", data)
