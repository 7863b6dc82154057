import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2lab

from pipeline.kernels.slic import seed_grid, slic, srgb_to_lab

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
kinds = st.sampled_from(["noise", "few colours", "blocks", "one colour"])


def made_lab(kind: str, height: int, width: int, seed: int) -> NDArray[np.float32]:
    """Whole numbers, so that sums are exact in any order."""
    random = np.random.default_rng(seed)
    if kind == "noise":
        lab = random.integers(-100, 101, (3, height, width))
    elif kind == "few colours":
        lab = random.integers(0, 2, (3, height, width)) * 20
    elif kind == "blocks":
        lab = np.kron(random.integers(0, 101, (3, 8, 8)), np.ones((5, 5)))[:, :height, :width]
    else:
        lab = np.full((3, height, width), random.integers(0, 101))
    return lab.astype(np.float32)


def defined_superpixels(
    lab: NDArray[np.float32], segments: int, compactness: float, iterations: int
) -> NDArray[np.int64]:
    """The kernel's docstring, step by step, in NumPy, SciPy and Python."""
    _, height, width = lab.shape
    rows, columns = seed_grid(height, width, segments)
    scale = np.float32(compactness / max(height / rows, width / columns))
    row_of = np.concatenate([np.full(len(part), i) for i, part in enumerate(_cells(height, rows))])
    column_of = np.concatenate([np.full(len(part), j) for j, part in enumerate(_cells(width, columns))])
    labels = row_of[:, None] * columns + column_of
    y, x = np.indices((height, width))
    centres = np.zeros((rows * columns, 5), np.float32)
    step = min(3, height // rows)
    lines = np.arange(height) % step == step - 1
    for t in range(iterations):
        for c in np.unique(labels[lines]):
            pixels = (labels == c) & lines[:, None]
            centres[c, :3] = lab[:, pixels].mean(axis=1, dtype=float)
            centres[c, 3:] = x[pixels].mean() * scale, y[pixels].mean() * scale
        lines = np.arange(height) % step == t % step if t < iterations - 1 else np.ones(height, bool)
        for p in np.argwhere(lines[:, None] & np.ones(width, bool)).tolist():
            i, j = row_of[p[0]], column_of[p[1]]
            candidates = [
                a * columns + b
                for a in range(max(i - 1, 0), min(i + 2, rows))
                for b in range(max(j - 1, 0), min(j + 2, columns))
            ]
            at = np.array([p[1], p[0]], np.float32) * scale
            dl, da, db = (lab[:, p[0], p[1]] - centres[candidates, :3]).T
            dx, dy = (at - centres[candidates, 3:]).T
            distance = (dl * dl + da * da) + (db * db + (dy * dy + dx * dx))
            labels[tuple(p)] = candidates[np.argmin(distance)]
    return in_scan_order(defined_joining(labels))


def _cells(side: int, count: int) -> list[range]:
    return [range(i * side // count, (i + 1) * side // count) for i in range(count)]


def components_of(labels: NDArray[np.integer]) -> list[tuple[int, NDArray[np.int64]]]:
    """The label and the pixels, in scan order, of each 4-connected component, in scan order of their first pixels."""
    found = []
    for label in np.unique(labels):
        parts, count = ndimage.label(labels == label)
        found += [(int(label), np.argwhere(parts == k + 1)) for k in range(count)]
    return sorted(found, key=lambda component: component[1][0].tolist())


def defined_joining(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every label keeps its largest component; the others join by the longest border, breadth first."""
    components = components_of(labels)
    number = np.empty(labels.shape, int)
    for c, (_, pixels) in enumerate(components):
        number[tuple(pixels.T)] = c
    segment: dict[int, int] = {}
    for label in np.unique(labels):
        own = [c for c, (of, _) in enumerate(components) if of == label]
        segment[max(own, key=lambda c: (len(components[c][1]), -c))] = int(label)

    def neighbours(c: int) -> list[int]:
        around = [
            (y + dy, x + dx) for y, x in components[c][1].tolist() for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0))
        ]
        inside = [p for p in around if 0 <= p[0] < labels.shape[0] and 0 <= p[1] < labels.shape[1]]
        return [int(number[p]) for p in inside if number[p] != c]

    orphans = [c for c in range(len(components)) if c not in segment]
    queue = [c for c in orphans if any(other in segment for other in neighbours(c))]
    for c in queue:  # which grows
        around = neighbours(c)
        border = [segment[other] for other in around if other in segment]
        queue += [other for other in dict.fromkeys(around) if other not in segment and other not in queue]
        segment[c] = max(sorted(set(border)), key=border.count)
    return np.vectorize(segment.get)(number)


def in_scan_order(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    _, first, where = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[where].reshape(labels.shape)


def assert_superpixels(labels: NDArray[np.uint16], shape: tuple[int, int], at_most: int) -> None:
    """0 to n-1 in scan order of first pixels, each one piece, and not too many."""
    assert (labels.dtype, labels.shape) == (np.uint16, shape)
    assert labels.max() < at_most
    np.testing.assert_array_equal(labels, in_scan_order(labels))
    for label, box in enumerate(ndimage.find_objects(labels.astype(int) + 1)):
        assert ndimage.label(labels[box] == label)[1] == 1


@settings(deadline=None, max_examples=60)  # the first call compiles
@given(
    shape=shapes,
    kind=kinds,
    seed=seeds,
    segments=st.integers(1, 60),
    compactness=st.sampled_from([0.5, 10.0, 40.0]),
    iterations=st.integers(1, 5),
)
@example(shape=(40, 40), kind="noise", seed=0, segments=25, compactness=10.0, iterations=5)
@example(shape=(40, 40), kind="few colours", seed=0, segments=25, compactness=10.0, iterations=5)
def test_the_superpixels_are_the_definition_s_to_the_last_pixel(
    shape: tuple[int, int], kind: str, seed: int, segments: int, compactness: float, iterations: int
):
    lab = made_lab(kind, *shape, seed)
    labels = slic(lab, segments, compactness, iterations)
    assert_superpixels(labels, shape, segments)
    np.testing.assert_array_equal(labels, defined_superpixels(lab, segments, compactness, iterations))


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    kind=kinds,
    seed=seeds,
    segments=st.integers(1, 400),
)
def test_superpixels_are_numbered_pieces_of_any_image(shape: tuple[int, int], kind: str, seed: int, segments: int):
    lab = np.tile(made_lab(kind, 40, 40, seed), (1, 4, 4))[:, : shape[0], : shape[1]]
    labels = slic(lab, segments, 10, 6)
    assert_superpixels(labels, shape, segments)
    np.testing.assert_array_equal(labels, slic(np.asfortranarray(lab), segments, 10, 6))


def test_a_brighter_grey_image_has_the_same_superpixels():
    grey = np.zeros((3, 32, 32), np.float32)
    grey[0] = np.random.default_rng(0).integers(0, 50, (32, 32))
    brighter = grey.copy()
    brighter[0] += 32
    # Cells of 8 by 8 pixels, of which the last iteration's means take 16: a shift changes no rounding.
    labels = slic(grey, 16, 10, 1)
    assert labels.max() > 0
    np.testing.assert_array_equal(labels, slic(brighter, 16, 10, 1))


def test_superpixels_follow_an_edge():
    lab = np.zeros((3, 60, 60), np.float32)
    lab[0, :, 33:] = 100  # through the cells of columns 30 to 39
    labels = slic(lab, 36, 10, 6)
    assert not set(labels[:, :33].flat) & set(labels[:, 33:].flat)


@pytest.mark.parametrize("compactness", [0.01, 10, 1e30])
def test_an_image_of_one_colour_is_cut_into_its_cells(compactness: float):
    lab = np.full((3, 60, 90), 50, np.float32)
    cells = np.arange(60)[:, None] // 10 * 9 + np.arange(90) // 10
    np.testing.assert_array_equal(slic(lab, 54, compactness, 4), in_scan_order(cells))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 8), (12, 25)])
def test_where_there_are_no_more_pixels_than_segments_each_is_one(shape: tuple[int, int]):
    lab = made_lab("noise", *shape, 0)
    assert slic(lab, 300, 1e4, 6).max() + 1 == shape[0] * shape[1]


@pytest.mark.parametrize("kind", ["noise", "few colours", "blocks", "one colour"])
@pytest.mark.parametrize("shape", [(384, 384), (321, 481), (2, 4000), (4000, 2), (1, 1000), (30, 20), (17, 18)])
def test_three_hundred_asked_for_are_200_to_300(kind: str, shape: tuple[int, int]):
    lab = np.resize(made_lab(kind, 40, 40, 0), (3, *shape))
    labels = slic(lab, 300, 10, 6)
    assert_superpixels(labels, shape, 300)
    assert labels.max() + 1 >= 200


@given(shape=st.tuples(st.integers(1, 3000), st.integers(1, 3000)), segments=st.integers(1, 65535))
@example(shape=(256, 256), segments=65535)
def test_the_grid_is_no_finer_than_asked_for_or_than_the_pixels(shape: tuple[int, int], segments: int):
    rows, columns = seed_grid(*shape, segments)
    assert 1 <= rows <= shape[0]
    assert 1 <= columns <= shape[1]
    assert 2 / 3 * min(segments, shape[0] * shape[1]) <= rows * columns <= segments


def test_as_many_superpixels_as_labels_are_no_overflow():
    labels = slic(np.zeros((3, 256, 256), np.float32), 65535, 10, 2)
    assert_superpixels(labels, (256, 256), 65535)
    assert labels.max() + 1 == 65535 // 256 * 256


@pytest.mark.slow
def test_an_image_of_16_megapixels_is_cut_as_any_other():
    lab = np.zeros((3, 4096, 4096), np.float32)
    lab[0] = np.hypot(*np.ogrid[-2048:2048, -2048:2048]) % 100
    labels = slic(lab, 300, 10, 2)
    assert_superpixels(labels, (4096, 4096), 300)
    assert labels.max() + 1 == 17 * 17


def test_lab_is_scikit_image_s():
    random = np.random.default_rng(0)
    greys = np.repeat(np.arange(256)[None, :, None], 3, axis=2)
    corners = np.stack(np.meshgrid([0, 255], [0, 255], [0, 255]), axis=-1).reshape(1, 8, 3)
    dark = random.integers(0, 16, (1, 20000, 3))
    any_colour = random.integers(0, 256, (1, 20000, 3))
    image = np.concatenate([greys, corners, dark, any_colour], axis=1).astype(np.uint8)
    lab = srgb_to_lab(image)
    assert (lab.dtype, lab.shape) == (np.float32, (3, *image.shape[:2]))
    difference = np.abs(lab - rgb2lab(image).transpose(2, 0, 1)).max(axis=(1, 2))
    assert (difference <= (0.1, 0.25, 0.25)).all()
