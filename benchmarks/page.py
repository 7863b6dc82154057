"""A click and a pull on the page: processor time from what is asked to what is answered, by the shipped model."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
from starlette.testclient import TestClient

from trainers.methods.cmp.apps.annotator.tool import TOOL as ANNOTATE
from trainers.methods.cmp.apps.encoded import encoded_once
from trainers.methods.cmp.apps.marionette.tool import TOOL as MARIONETTE
from trainers.page.server import create_app
from trainers.page.site import Site

MODEL = "shipped:cmp"
HEIGHT, WIDTH, REPEATS = 288, 384, 5
REACH = "< 1000"


def run() -> list[dict[str, Any]]:
    """Another click on an object, and an arrow pulled farther, on an image of 384x288; the median of five each.

    The peer is the same where nothing is kept of the image, so that the network encodes it again.
    """
    torch.set_num_threads(1)
    with TemporaryDirectory() as made:
        folder = Path(made)
        noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
        cv2.imwrite(str(folder / "image.png"), cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
        app = create_app(Site(folder, folder, folder / "annotations"), [ANNOTATE, MARIONETTE], "")
        client = TestClient(app, headers={"x-common-fate": "1"})
        return [_row("a click in Annotate", _clicks(client)), _row("a pull in Marionette", _pulls(client))]


def _clicks(client: TestClient) -> Callable[[int], None]:
    query = {"image": "image.png"}
    sha256 = client.get("/api/annotate/opened", params=query).json()["sha256"]

    def click(number: int) -> None:
        points = [{"x": 100 + 9 * i, "y": 90 + 5 * i, "positive": True} for i in range(1 + number)]
        masks = {"base": None, "added": None, "erased": None}
        about = {"name": "object", "colour": 0, "shown": True, "model": MODEL, "threshold": 0.5}
        drawn = {"tab": "one", "revision": number, "objects": [about | masks | {"points": points}]}
        body = query | {"sha256": sha256} | drawn
        found = client.post("/api/annotate/save", json=body).json()
        if found["trouble"] or not found["bases"]:
            raise RuntimeError(f"no mask: {found['trouble']}")

    return click


def _pulls(client: TestClient) -> Callable[[int], None]:
    query = {"image": "folder/0", "model": MODEL}
    client.get("/api/marionette/open", params=query).raise_for_status()

    def pull(number: int) -> None:
        body = query | {"arrows": [[140, 190, 2 + number, 9 - number]]}
        client.post("/api/marionette/predict", json=body).raise_for_status()

    return pull


def _row(what: str, ask: Callable[[int], None]) -> dict[str, Any]:
    taken: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(2 * (1 + REPEATS)):  # the first ones warm up
        kind = ("ours", "peer")[number % 2]
        if kind == "peer":
            encoded_once.cache_clear()
        began = time.process_time()
        ask(number)
        taken[kind].append(1000 * (time.process_time() - began))
    ours, peer = (float(np.median(times[1:])) for times in taken.values())
    about = {"ours": round(ours), "peer": round(peer), "ratio": round(peer / ours, 2), "reach": REACH}
    return {"what": f"page: {what}, {WIDTH}x{HEIGHT} (ms)", **about}
