"""Fingerprints of frames: the perceptual one survives another encoding, and tells pictures apart."""

from itertools import combinations, islice
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_fate.datasets.share.recipe import SCHEMA, distance, perceptual_hash, pixels_sha256, read_recipe
from common_fate.errors import ShardError
from pipeline.columns.frames.stage import resized_shape
from pipeline.sharing.adopt_columns import FAR
from tests.support.clips import write_clip

seeds = st.integers(0, 2**32 - 1)


def scene(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


@given(seeds, st.integers(30, 95))
def test_a_picture_encoded_again_keeps_its_hash_nearly(seed: int, quality: int):
    image = scene(seed)
    again = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    assert distance(perceptual_hash(image), perceptual_hash(again)) <= FAR


def test_real_videos_are_told_apart_and_known_again(shared_data: Path, tmp_path: Path):
    """What docs/sharing.md says of the threshold: 48 frames of four videos, also halved and encoded at CRF 35."""
    names = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4", "cockatoo.mp4")
    hashes = []
    for name in names:
        frames = [extracted(image) for image in decoded(shared_data / "video" / name)]
        again = decoded(encoded(tmp_path / name, frames, crf=35))
        hashes.append([perceptual_hash(frame) for frame in frames])
        assert (
            max(distance(one, perceptual_hash(extracted(two))) for one, two in zip(hashes[-1], again, strict=True)) <= 6
        )
    pairs = [(one, two) for a, b in combinations(hashes, 2) for one in a for two in b]
    assert min(distance(one, two) for one, two in pairs) >= 18


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), 12)]


def extracted(image: np.ndarray) -> np.ndarray:
    height, width = resized_shape(*image.shape[:2], 240)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def encoded(path: Path, frames: list[np.ndarray], crf: int) -> Path:
    half = (frames[0].shape[1] // 4 * 2, frames[0].shape[0] // 4 * 2)
    small = [cv2.resize(frame, half, interpolation=cv2.INTER_AREA) for frame in frames]
    return write_clip(path, len(frames), size=half, options={"crf": str(crf)}, draw=lambda number, *_: small[number])


@given(seeds, seeds)
def test_other_pictures_have_other_hashes(one: int, other: int):
    if one != other:
        assert distance(perceptual_hash(scene(one)), perceptual_hash(scene(other))) > FAR


@given(st.integers(1, 254), seeds)
def test_noise_in_a_flat_picture_decides_nothing(grey: int, seed: int):
    assert distance_by_noise(grey, seed, height=96, width=128) <= FAR


@given(st.sampled_from([0, 255]), seeds)
def test_noise_in_a_black_or_white_picture_decides_nothing_where_it_is_larger(grey: int, seed: int):
    """Noise that goes one way only has a mean: it takes more pixels to be the same all over the picture."""
    assert distance_by_noise(grey, seed, height=240, width=320) <= FAR


def distance_by_noise(grey: int, seed: int, height: int, width: int) -> int:
    """The distance of a flat picture's hash to its own with up to one step more or less in each pixel and channel."""
    flat = np.full((height, width, 3), grey, np.uint8)
    noisy = np.clip(flat + np.random.default_rng(seed).integers(-1, 2, flat.shape), 0, 255).astype(np.uint8)
    return distance(perceptual_hash(flat), perceptual_hash(noisy))


def test_the_hash_is_64_bits_of_the_low_frequencies():
    ramp = np.repeat(np.linspace(255, 0, 128).astype(np.uint8)[None, :, None], 96, 0).repeat(3, 2)
    assert perceptual_hash(ramp) == 0b11010101 << 56, "the mean, and odd waves from left to right"


def test_the_exact_fingerprint_knows_the_shape():
    image = scene(1)
    assert pixels_sha256(image) != pixels_sha256(image.reshape(128, 96, 3))
    assert pixels_sha256(image) == pixels_sha256(image.copy())


GOOD = {
    "key": "ape-000004",
    "video": "ape",
    "frame": 4,
    "shard": "000000",
    "width": 8,
    "height": 6,
    "next": 6,
    "previous": None,
    "jpg_sha256": "0",
    "pixels_sha256": "0",
    "perceptual": 0,
}


@pytest.mark.parametrize(
    "change",
    [
        {"video": "../ape"},
        {"frame": -1},
        {"frame": 10**6},
        {"next": -5},
        {"key": "ape-000005"},
        {"perceptual": None},
        {"video": None},
    ],
)
def test_a_recipe_that_no_frame_has_is_refused(tmp_path: Path, change: dict[str, object]):
    def write(row: dict[str, object]) -> None:
        pq.write_table(pa.Table.from_pylist([row], SCHEMA), tmp_path / "recipe.parquet")

    write(GOOD)
    assert dict(read_recipe(tmp_path, ["000000"])) == {"000000": {"ape-000004": GOOD}}
    write(GOOD | change)
    with pytest.raises(ShardError, match=r"recipe\.parquet: not a recipe"):
        list(read_recipe(tmp_path, ["000000"]))


def row(shard: int, frame: int) -> dict[str, object]:
    return GOOD | {"key": f"ape-{frame:06d}", "frame": frame, "shard": f"{shard:06d}"}


def test_a_recipe_is_read_shard_by_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever parts it is read in, whichever shards are asked for."""
    counts = {0: 3, 2: 7, 3: 1, 7: 5}
    rows = [row(shard, frame) for shard, count in counts.items() for frame in range(count)]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / "recipe.parquet", row_group_size=4)
    for part in (1, 2, 3, 100):
        monkeypatch.setattr("common_fate.foreign.parquet._PART", part)
        for asked in ([0, 1, 2, 3, 7, 8], [2, 7], [1], [3], []):
            found = list(read_recipe(tmp_path, [f"{shard:06d}" for shard in asked]))
            assert [(int(shard), len(keys)) for shard, keys in found] == [(s, counts.get(s, 0)) for s in asked]
            assert all(row["shard"] == shard for shard, keys in found for row in keys.values())


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row(1, 0), row(0, 1)], "stand together"),
        ([row(0, 0), row(1, 1), row(0, 1)], "stand together"),
        ([row(0, 1), row(0, 1)], "a frame twice"),
        ([GOOD | {"shard": "../x"}], "no shard that there could be"),
    ],
)
def test_a_recipe_whose_rows_are_not_in_order_is_refused(tmp_path: Path, rows: list[dict[str, object]], says: str):
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / "recipe.parquet")
    with pytest.raises(ShardError, match=says):
        list(read_recipe(tmp_path, ["000000", "000001"]))
