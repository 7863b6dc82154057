"""Annotation, with a model that gives the area of a click's colour: clicks, files, and exports."""

import errno
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO
from starlette.testclient import TestClient

from common_fate.errors import UserError
from common_fate.shards import files
from tests.support.coloured_net import canvas, lively
from tests.support.coloured_page import use_coloured_model
from tests.support.discs import HEIGHT, HOSTILE, LEFT, RIGHT, WIDTH, disc, overlap, saved_masks, write_discs
from trainers.engine.options import build
from trainers.evaluations.segmentation.options import SegmentationData
from trainers.evaluations.segmentation.pairs import check_pairs, list_pairs
from trainers.methods.cmp.apps.annotate import annotate
from trainers.methods.cmp.apps.annotator.clicks import Clicks
from trainers.methods.cmp.apps.annotator.document import Document, Drawn, Point
from trainers.methods.cmp.apps.annotator.store import Opened, Store
from trainers.methods.cmp.apps.annotator.tool import TOOL
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions
from trainers.page.models import Models
from trainers.page.pictures import Pictures
from trainers.page.server import create_app
from trainers.page.site import Site

HEADER = {"x-common-fate": "1"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_discs(tmp_path / "images")


@pytest.fixture
def client(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    return asked(images, tmp_path, monkeypatch, tmp_path / "annotations")


def asked(images: Path, results: Path, monkeypatch: pytest.MonkeyPatch, written: Path | None) -> TestClient:
    for name in ("names", "load"):
        monkeypatch.setattr(Models, name, getattr(Models, name))  # so that it is put back
    use_coloured_model()
    return TestClient(create_app(Site(results, images, written, written is None), [TOOL], ""), headers=HEADER)


def opened(client: TestClient, name: str = "a.png") -> dict[str, Any]:
    return client.get("/api/annotate/opened", params={"image": name}).json()


def points(*rows: tuple[float, float, bool]) -> list[dict[str, Any]]:
    return [{"x": x, "y": y, "positive": positive} for x, y, positive in rows]


def drawn(name: str, *clicks: tuple[float, float, bool], **more: Any) -> dict[str, Any]:
    masks = {"base": None, "added": None, "erased": None}
    about = {"name": name, "colour": 3, "shown": True, "model": "coloured", "threshold": 0.5}
    return about | masks | {"points": points(*clicks)} | more


def save(client: TestClient, *objects: dict[str, Any], image: str = "a.png", **more: Any) -> Any:
    found = opened(client, image)
    body = {"image": image, "sha256": found["sha256"], "revision": found["revision"], "tab": "one", "done": False}
    return client.post("/api/annotate/save", json=body | {"objects": list(objects)} | more)


def test_clicks_become_masks_and_are_saved(client: TestClient, tmp_path: Path):
    file = tmp_path / "annotations" / "a.png.json"
    both = save(client, drawn("disc", (80, 90, True))).json()
    assert overlap(coco_masks.decode(both["bases"]["0"]).astype(bool), LEFT | RIGHT) > 0.85
    save(client, drawn("disc", (80, 90, True), (200, 60, False)))
    assert overlap(saved_masks(file)[0], LEFT) > 0.85
    hole = coco_masks.encode(np.asfortranarray(disc(80, 90, 20), np.uint8))["counts"].decode()
    erased = {"size": [HEIGHT, WIDTH], "counts": hole}
    save(client, drawn("ring", (80, 90, True), (200, 60, False), erased=erased))
    assert overlap(saved_masks(file)[0], LEFT & ~disc(80, 90, 20)) > 0.85
    assert opened(client)["objects"][0]["points"] == points((80, 90, True), (200, 60, False))


def test_a_stale_page_and_another_image_are_refused(client: TestClient, images: Path, tmp_path: Path):
    save(client, drawn("disc", (80, 90, True)))
    said = save(client, tab="other", revision=0)
    assert (said.status_code, "was changed elsewhere: reload" in said.json()["error"]) == (409, True)
    assert (
        save(client, drawn("disc", (80, 90, True)), revision=0).status_code == 200
    )  # its answer was lost: the same page
    cv2.imwrite(str(images / "a.png"), canvas(HEIGHT, WIDTH))
    assert "drawn on another image" in opened(client)["other"]
    assert "drawn on another image" in save(client).json()["error"]
    assert save(client, anew=True).json()["revision"] == 1
    assert len(list((tmp_path / "annotations").glob("a.png*.json"))) == 2


def test_a_full_disk_is_said_and_what_was_saved_stays(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    save(client, drawn("disc", (80, 90, True)))
    before = {path: path.read_bytes() for path in (tmp_path / "annotations").iterdir()}
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", refuse)
        said = save(client, drawn("other", (200, 60, True)))
    assert (said.status_code, "a.png.json: cannot be written: the disk is full" in said.json()["error"]) == (400, True)
    assert {path: path.read_bytes() for path in (tmp_path / "annotations").iterdir()} == before
    assert save(client, drawn("other", (200, 60, True))).status_code == 200


def test_a_mask_that_cannot_be_saved_is_shown(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    """The clicks are saved: the page goes on from their revision, and does not say that nothing was."""

    def refuse(store: Store, document: Document, bases: object) -> None:
        raise UserError("cannot be written: the disk is full")

    monkeypatch.setattr(Store, "complete", refuse)
    said = save(client, drawn("disc", (80, 90, True))).json()
    assert overlap(coco_masks.decode(said["bases"]["0"]).astype(bool), LEFT | RIGHT) > 0.85
    assert (said["revision"], said["trouble"]) == (1, "The mask is not saved: cannot be written: the disk is full")
    assert opened(client)["objects"][0]["points"] == points((80, 90, True))


def test_a_network_that_looks_once_says_the_same():
    small = build(CMPOptions, {"model": {"encoder": "resnet18", "width": 8}, "transforms": {"crop": 64}})
    net = lively(CMPNet(small.model, small.loss))
    trained = SimpleNamespace(net=net, options=small, method=SimpleNamespace(name="cmp"))
    clicks = Clicks(SimpleNamespace(load=lambda name: trained))
    for seed in range(2):
        picture = np.random.default_rng(seed).integers(0, 256, (64, 80, 3), np.uint8)
        image = Opened("a", b"", str(seed), (128, 160), picture)  # of twice the size
        for x in (20, 120):
            marks = (Point(x + 0.5, 40.5, True), Point(80.5, 90.5, False))
            mask = clicks.mask(image, Drawn("a", 0, True, "m", 0.6, marks, None, None, None))
            assert (mask == annotate(net, small, picture, [[20, x / 2]], [[45, 40]], threshold=0.6)).all()


def test_masks_that_come_late_do_not_undo_what_was_saved_since(client: TestClient, images: Path, tmp_path: Path):
    store = Store(Pictures(images), tmp_path / "annotations")
    save(client, drawn("disc", (80, 90, True)))
    late = replace(store.read("a.png"), revision=1)  # type: ignore[type-var]
    save(client, drawn("other"))
    store.complete(late, {0: LEFT})
    assert [one.name for one in store.read("a.png").objects] == ["other"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"points": points((256, 9, True))}, "object 1: x should be a number from -0.5 to 255.5"),
        ({"added": {"size": [HEIGHT, WIDTH], "counts": "_" * 99}}, "object 1: added is no mask"),
        ({"added": {"size": [HEIGHT, WIDTH], "counts": "11"}}, "object 1: added is no mask"),
        ({"name": "x" * 81}, "object 1: name should be a text of at most 80 letters"),
        ({"colour": True}, "object 1: colour should be a number"),
    ],
)
def test_what_is_malformed_is_refused_in_words(client: TestClient, change: dict[str, Any], said: str):
    assert save(client, drawn("disc") | change).json()["error"].startswith(said)


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "", "c.png", "images/a.png"])
def test_no_image_but_the_folders_is_given(client: TestClient, name: str):
    for route in ("opened", "picture", "labels"):
        answer = client.get(f"/api/annotate/{route}", params={"image": name})
        assert (answer.status_code, "there is no image" in answer.json()["error"]) == (400, True)


def test_large_images_are_worked_at_smaller_and_masked_whole(client: TestClient, images: Path, tmp_path: Path):
    picture = np.full((60, 2048, 3), 200, np.uint8)
    cv2.imwrite(str(images / "wide.png"), picture)
    assert opened(client, "wide.png")["work"] == [30, 1024]
    half = np.zeros((30, 1024), np.uint8, order="F")
    half[:, 512:] = 1
    added = {"size": [30, 1024], "counts": coco_masks.encode(half)["counts"].decode()}
    trouble = save(client, drawn("wall", (1, 1, True), added=added), image="wide.png").json()["trouble"]
    assert "one side should be at most 16 times the other" in trouble  # and what was painted is there all the same
    (mask,) = saved_masks(tmp_path / "annotations" / "wide.png.json")
    assert mask.shape == (60, 2048)
    assert (mask == (np.arange(2048) >= 1024)).all()


def test_exports_are_read_where_they_are_meant_to(client: TestClient, tmp_path: Path):
    none = client.post("/api/annotate/segmentation").json()["error"]
    assert none == "there is nothing to write yet: no object has a mask"
    two = (drawn("dot", (200, 60, True), (80, 90, False)), drawn("disc", (80, 90, True), (200, 60, False)))
    save(client, *two)
    save(client, two[0], image=HOSTILE)
    png = client.get("/api/annotate/labels", params={"image": "a.png"}).content
    labels = np.asarray(Image.open(io.BytesIO(png)))
    assert [labels[0, 0], labels[60, 200], labels[90, 80]] == [0, 1, 2]

    path = tmp_path / "coco.json"
    path.write_bytes(client.get("/api/annotate/coco").content)
    found = COCO(str(path))
    assert [one["file_name"] for one in found.dataset["images"]] == [HOSTILE, "a.png"]  # nobody looked at b.png
    assert [one["name"] for one in found.loadCats(found.getCatIds())] == ["dot", "disc"]
    last = found.loadAnns(found.getAnnIds())[-1]
    mask = found.annToMask(last).astype(bool)
    assert overlap(mask, LEFT) > 0.85
    assert (last["area"], last["bbox"]) == (mask.sum(), coco_masks.toBbox(last["segmentation"]).tolist())

    for _ in range(2):  # again over what is there
        said = client.post("/api/annotate/segmentation").json()
    data = build(SegmentationData, yaml.safe_load(said["config"])["data"] | {"hold_out": 0.5})
    train, validation = list_pairs(data)
    check_pairs({"train": [*train, *validation]}, data)
    assert (data.names, said["images"]) == (("background", "disc", "dot"), 2)
    assert {pair.image.name for pair in (*train, *validation)} == {HOSTILE, "a.png"}
    save(client, image=HOSTILE)
    client.post("/api/annotate/segmentation")
    assert [path.name for path in (tmp_path / "annotations/segmentation/masks").iterdir()] == ["a.png"]


def test_read_only_writes_nothing(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    client = asked(images, tmp_path, monkeypatch, None)
    before = sorted(tmp_path.rglob("*"))
    assert save(client, drawn("disc", (80, 90, True))).json()["bases"]
    assert "--read-only" in client.post("/api/annotate/segmentation").json()["error"]
    assert client.get("/api/annotate/images").json()["writable"] is False
    assert (sorted(tmp_path.rglob("*")), opened(client)["objects"]) == (before, [])
