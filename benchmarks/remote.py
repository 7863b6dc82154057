"""Reading a `cmp` view over HTTP from this machine, and again from the cache, against the folder itself."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmarks.reading import SAMPLES, encoded, pairs, square, write_view
from common_fate.remote.cache import Cache
from common_fate.torch import stream

ROUNDS = 3


def run() -> list[dict[str, Any]]:
    """Samples a second on the clock: streamed and decoded, image, flow and guidance points at 384x384.

    The server is Python's own, in another process; the network is this machine's loopback. The three take turns, and
    the best of three turns counts.
    """
    cv2.setNumThreads(1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = dict.fromkeys(("first", "again", "local"), 0.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_view(folder / "view", [encoded(number, *pair) for number, pair in enumerate(pairs(square, (384, 384)))])
        with _served(folder / "view") as address:
            for turn in range(ROUNDS):
                cache = Cache(folder / f"cache{turn}")
                for what, place in (("first", address), ("again", address), ("local", folder / "view")):
                    best[what] = max(best[what], _rate(place, cache))
    torch.set_num_threads(threads)
    return [
        _row("remote: first pass over HTTP, the folder itself (samples/s)", best["first"], best["local"]),
        _row("remote: second pass from the cache, the folder itself (samples/s)", best["again"], best["local"]),
    ]


def _row(what: str, ours: float, peer: float) -> dict[str, Any]:
    return {"what": what, "ours": round(ours), "peer": round(peer), "ratio": round(ours / peer, 2), "reach": "-"}


def _rate(place: str | Path, cache: Cache) -> float:
    started = time.perf_counter()
    count = sum(1 for _ in stream(place, cache=cache))
    if count != SAMPLES:
        raise RuntimeError(f"{place} has {count} samples, not {SAMPLES}")
    return count / (time.perf_counter() - started)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The address of a folder, by `python -m http.server`."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().partition("(")[2].partition("/)")[0]
        finally:
            server.terminate()


if __name__ == "__main__":
    for row in run():
        print(row)
