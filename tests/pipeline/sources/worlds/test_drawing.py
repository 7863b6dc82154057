"""Drawings against the share of each pixel that a shape covers, counted at 32 by 32 points of it."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common_fate.errors import UserError
from pipeline.sources.worlds import drawing
from pipeline.sources.worlds.drawing import Canvas, shaded

SIDE = 40
DENSE = 32
BACK, INK = (238, 240, 243), (214, 69, 65)


def counted(inside: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    fine = (np.arange(SIDE * DENSE) + 0.5) / DENSE - 0.5
    cover = inside(fine + 1j * fine[:, None]).reshape(SIDE, DENSE, SIDE, DENSE).mean((1, 3))[..., None]
    return cover * np.array(INK) + (1 - cover) * np.array(BACK)


def differences(canvas: Canvas, exact: np.ndarray) -> np.ndarray:
    """Grey levels, of the pixels that the edge crosses."""
    image = canvas.image()
    assert (image.shape, image.dtype) == ((SIDE, SIDE, 3), np.uint8)
    edge = ((exact != BACK) & (exact != INK)).any(-1)
    assert edge.sum() > 20
    assert np.abs(image - exact)[~edge].max() <= 1
    return np.abs(image - exact)[edge]


@pytest.mark.parametrize("seed", range(8))
def test_capsules_cover_what_they_should(seed: int):
    rng = np.random.default_rng(seed)
    start, end = (complex(*rng.uniform(4, SIDE - 5, 2)) for _ in range(2))
    end, radius = (start, 3.3) if seed == 0 else (end, float(rng.uniform(1.5, 9)))
    canvas = Canvas(SIDE, BACK)
    canvas.capsule(start, end, radius, INK)

    def inside(places: np.ndarray) -> np.ndarray:
        along = np.clip(((places - start) * np.conj(end - start)).real / max(abs(end - start) ** 2, 1e-9), 0, 1)
        return np.abs(places - start - along * (end - start)) <= radius

    off = differences(canvas, counted(inside))
    assert off.mean() < 0.75  # of which rounding is 0.25
    assert off.max() < 5


def test_polygons_cover_what_they_should():
    corners = np.array([4 + 6j, 33.3 + 9.7j, 20.5 + 18j, 30 + 35.2j, 7.7 + 30j])
    canvas = Canvas(SIDE, BACK)
    canvas.polygon(corners, INK)

    def inside(places: np.ndarray) -> np.ndarray:
        """Whose line to the right crosses an odd number of sides."""
        crossed = np.zeros(places.shape, int)
        for a, b in zip(corners, np.roll(corners, -1), strict=True):
            between = (a.imag > places.imag) != (b.imag > places.imag)
            crossed += between & (places.real < a.real + (places.imag - a.imag) * (b - a).real / (b - a).imag)
        return crossed % 2 == 1

    off = differences(canvas, counted(inside))
    assert off.mean() < 0.75  # of which rounding is 0.25
    assert off.max() < 5


def test_a_pixels_centre_is_at_whole_numbers_and_the_second_is_down():
    canvas = Canvas(9, (0, 0, 0))
    canvas.polygon(np.array([1.5 + 5.5j, 3.5 + 5.5j, 3.5 + 6.5j, 1.5 + 6.5j]), (10, 200, 90))
    assert np.argwhere(canvas.image().any(-1)).tolist() == [[6, 2], [6, 3]]
    assert canvas.image()[6, 2].tolist() == [10, 200, 90]


def test_shades_stay_colours():
    assert shaded((200, 100, 0), 0.5) == (100, 50, 0)
    assert shaded((200, 100, 0), 1.2) == (211, 131, 51)


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "cairocffi.py").write_text("raise OSError('no library called \"cairo-2\" was found')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cairocffi", raising=False)
    drawing._cairo.cache_clear()
    with pytest.raises(UserError, match="apt-get install libcairo2"):
        Canvas(9, (0, 0, 0))
