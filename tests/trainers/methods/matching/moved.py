"""Views of texture that moves by whole pixels, as the pipeline writes them: what all three kinds of pairs read."""

from pathlib import Path

import cv2
import numpy as np

from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard

HEIGHT, WIDTH, MARGIN = 48, 56, 8
MOTION = ((3, -2), (-4, 1), (2, 5), (-1, -3))


def write_view(folder: Path, view: str) -> Path:
    """Writes four videos of a pair each: `flow` with exact motion, `objects_flow` with estimated, `objects` without."""
    samples = [(f"v{number}-000000", _members(number, *moved, view)) for number, moved in enumerate(MOTION)]
    write_shard(folder / "000000.tar", samples, lambda: {"stage": view, "version": 1, "options": {}, "inputs": {}})
    write_manifest(folder, ["000000"], "made")
    return folder


def _members(seed: int, right: int, down: int, view: str) -> dict[str, bytes]:
    rng = np.random.default_rng(seed)
    size = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN, 3)
    layers = [cv2.GaussianBlur(rng.normal(size=size), (0, 0), spread) * spread for spread in (1.5, 4)]
    whole = cv2.normalize(sum(layers), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    this, following = (
        whole[MARGIN - y : MARGIN - y + HEIGHT, MARGIN - x : MARGIN - x + WIDTH] for x, y in ((0, 0), (right, down))
    )
    jpg = [cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes() for one in (this, following)]
    members = {"jpg": jpg[0], "json": encode("json", {"video": f"v{seed}", "frame": 0})}
    if view == "objects":
        return members
    flow = np.empty((2, HEIGHT, WIDTH), np.float32)
    flow[0], flow[1] = right, down
    members["next.jpg"] = jpg[1]
    if view == "objects_flow":
        return members | {"flow.b2": encode("flow.b2", flow)}
    valid = encode("png", np.full((HEIGHT, WIDTH), 255, np.uint8))
    return members | {"previous.jpg": jpg[0], "truth.flow.b2": encode("flow.b2", flow), "truth.valid.png": valid}
