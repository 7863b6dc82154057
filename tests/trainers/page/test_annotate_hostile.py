"""Annotations that somebody else left: nothing outside is read or written through them, and nothing waits for ever."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common_fate.errors import UserError
from tests.support.discs import write_discs
from trainers.methods.cmp.apps.annotator.document import Document
from trainers.methods.cmp.apps.annotator.exports import label_png
from trainers.methods.cmp.apps.annotator.layout import write_layout
from trainers.methods.cmp.apps.annotator.store import Store
from trainers.page.pictures import Pictures

SHA = "0" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "results" / "annotations").mkdir(parents=True)
    folder = tmp_path / "results" / "annotations"
    return Store(Pictures(write_discs(tmp_path / "images")), folder, tmp_path / "results")


def document(store: Store) -> Document:
    return Document("a.png", store.open("a.png").sha256, (192, 256), 0, "one", True, ())


def about(**image: Any) -> dict[str, Any]:
    size = {"name": "a.png", "sha256": SHA, "width": 256, "height": 192}
    return {"version": 1, "revision": 1, "tab": "", "done": True, "image": size | image, "objects": []}


def test_links_that_lead_out_are_followed_by_nothing(store: Store, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.json").write_text(json.dumps(about()))
    (store.folder / "a.png.json").symlink_to(outside / "a.json")
    for what in (lambda: store.read("a.png"), lambda: store.save(document(store))):
        with pytest.raises(UserError, match="a link that leads out"):
            what()
    (store.folder / "a.png.json").unlink()
    (store.folder / ".a.png.json.tmp").symlink_to(outside / "lock")
    with pytest.raises(UserError, match="cannot be written"):
        store.save(document(store))
    (store.folder / ".a.png.json.tmp").unlink()
    (store.folder / "segmentation").symlink_to(outside)
    store.save(document(store))
    with pytest.raises(UserError, match="a link that leads out"):
        write_layout(store)
    (store.folder / "a.png.json").unlink()
    (store.folder / "segmentation").unlink()
    store.folder.rmdir()
    store.folder.symlink_to(outside)
    with pytest.raises(UserError, match="a link that leads out"):
        store.save(document(store))
    assert os.listdir(outside) == ["a.json"]


@pytest.mark.parametrize("data", [b"[" * 10**6, b"[" + b"0," * 10**6 + b"0]", b'{"version": 1e999}', b"\xff", b"null"])
def test_files_that_are_no_annotation_are_said(store: Store, data: bytes):
    (store.folder / "a.png.json").write_bytes(data)
    with pytest.raises(UserError, match="correct it, or move it away"):
        store.read("a.png")


def test_a_pipe_is_not_waited_for(store: Store):
    os.mkfifo(store.folder / "a.png.json")
    with pytest.raises(UserError, match="not a regular file"):
        store.read("a.png")


@pytest.mark.parametrize("sha256", ["../../x", "\0", "", 3])
def test_a_digest_names_no_other_file(store: Store, sha256: object):
    (store.folder / "a.png.json").write_text(json.dumps(about(sha256=sha256)))
    with pytest.raises(UserError, match="sha256 should be"):
        store.save(document(store), True)


def test_more_classes_than_colours_are_written():
    assert label_png(np.full((2, 2), 254, np.uint8), range(254))
    assert label_png(np.zeros((2, 2), np.uint8), [])
