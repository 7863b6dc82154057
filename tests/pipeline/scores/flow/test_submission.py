"""Flow for the servers of benchmarks: names, formats and sizes, as their readmes have them."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from common_fate.datasets.catalog import write_catalog
from common_fate.errors import UserError
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard
from pipeline.cli.app import app
from pipeline.scores.flow.submission import export_flow, resized_flow
from pipeline.sources import SOURCES

HEIGHT, WIDTH = 12, 20


def images(folder: Path, *names: str, height: int = HEIGHT, width: int = WIDTH) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(folder / name)


def dataset(
    folder: Path, kind: str, options: Mapping[str, object], flows: Mapping[str, tuple[np.ndarray, int]]
) -> Path:
    """A dataset with a flow column: by key flow `(2, H, W)` and the frame that it leads to."""
    source = SOURCES[kind]
    write_catalog(folder / "catalog.parquet", source.videos(source.options(**options), "source"))
    samples = [
        (key, {"flow.b2": encode("flow.b2", flow), "json": encode("json", {"next": following})})
        for key, (flow, following) in sorted(flows.items())
    ]
    facts = {"stage": "flow", "version": 1, "options": {}, "inputs": {}}
    write_shard(folder / "flow/000000.tar", samples, lambda: facts)
    return folder


def field(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """In steps of 1/64 px, which shards keep."""
    return np.random.default_rng(seed).integers(-3000, 3000, (2, height, width)).astype(np.float32) / 64


def read_flo(path: Path) -> np.ndarray:
    """Flow `(2, H, W)`: PIEH, the width, the height, then u and v of each pixel, row by row."""
    data = path.read_bytes()
    assert data[:4] == b"PIEH"
    width, height = struct.unpack("<ii", data[4:12])
    values = struct.unpack(f"<{2 * width * height}f", data[12:])
    return np.array(values, np.float32).reshape(height, width, 2).transpose(2, 0, 1)


def read_kitti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Flow and valid: of a PNG of three times 16 bits, (R - 2^15) / 64, (G - 2^15) / 64 and B."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1].astype(np.float32)
    assert path.read_bytes()[24:26] == b"\x10\x02"  # bits of a sample, and RGB
    return (pixels[..., :2].transpose(2, 0, 1) - 2**15) / 64, pixels[..., 2]


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def sintel(tmp_path: Path, **flows: tuple[np.ndarray, int]) -> Path:
    images(tmp_path / "MPI", *(f"test/final/ambush_1/frame_{number:04d}.png" for number in (1, 2, 3)))
    options = {"path": str(tmp_path / "MPI"), "split": "test"}
    return dataset(tmp_path / "made", "sintel", options, {f"ambush_1-{key[1:]}": flow for key, flow in flows.items()})


def test_sintel_has_every_frame_but_the_last_by_pass_and_scene(tmp_path: Path):
    made = sintel(tmp_path, _000001=(field(1), 2), _000002=(field(2), 3))
    done = CliRunner().invoke(app, ["export-flow", str(made), "--to", str(tmp_path / "out"), "--server", "sintel"])
    assert done.stdout == f"{tmp_path / 'out'}: 2 files\n"
    assert tree(tmp_path / "out") == {f"final/ambush_1/frame_{number:04d}.flo" for number in (1, 2)}
    for number in (1, 2):
        found = read_flo(tmp_path / f"out/final/ambush_1/frame_{number:04d}.flo")
        np.testing.assert_array_equal(found, field(number))


@pytest.mark.parametrize(("year", "server", "inside"), [(2015, "kitti2015", "flow/"), (2012, "kitti2012", "")])
def test_kitti_has_frame_ten_of_every_scene_at_its_own_size(tmp_path: Path, year: int, server: str, inside: str):
    sizes = {"000000": (HEIGHT, WIDTH), "000001": (HEIGHT + 2, WIDTH - 4)}
    flows = {}
    for seed, (scene, (height, width)) in enumerate(sizes.items()):
        names = [f"testing/image_2/{scene}_{number:02d}.png" for number in (9, 10, 11)]
        images(tmp_path / "kitti", *names, height=height, width=width)
        flows |= {f"{scene}-{number:06d}": (field(seed, height, width), number + 1) for number in (9, 10)}
    options = {"path": str(tmp_path / "kitti"), "split": "testing", "year": year}
    assert export_flow(dataset(tmp_path / "made", "kitti", options, flows), tmp_path / "out", server) == 2
    assert tree(tmp_path / "out") == {f"{inside}{scene}_10.png" for scene in sizes}
    for seed, (scene, size) in enumerate(sizes.items()):
        flow, valid = read_kitti(tmp_path / f"out/{inside}{scene}_10.png")
        np.testing.assert_array_equal(flow, field(seed, *size))
        assert (valid == 1).all()


def test_middlebury_has_the_tenth_frame_by_scene(tmp_path: Path):
    images(tmp_path / "eval", "Army/frame10.png", "Army/frame11.png", "Teddy/frame10.png", "Teddy/frame11.png")
    flows = {f"{scene}-000010": (field(seed), 11) for seed, scene in enumerate(("Army", "Teddy"))}
    made = dataset(tmp_path / "made", "frames", {"path": str(tmp_path / "eval/*")}, flows)
    export_flow(made, tmp_path / "out", "middlebury")
    assert tree(tmp_path / "out") == {"Army/flow10.flo", "Teddy/flow10.flo"}
    np.testing.assert_array_equal(read_flo(tmp_path / "out/Teddy/flow10.flo"), field(1))


def test_flow_of_smaller_frames_gets_their_own_size_and_longer_vectors(tmp_path: Path):
    """Half the width and a third of the height: u doubles, v triples; between pixels they are interpolated."""
    small = np.zeros((2, HEIGHT // 3, WIDTH // 2), np.float32)
    small[0], small[1] = np.arange(WIDTH // 2), -1.5
    made = sintel(tmp_path, _000001=(small, 2), _000002=(small, 3))
    export_flow(made, tmp_path / "out", "sintel")
    flow = read_flo(tmp_path / "out/final/ambush_1/frame_0001.flo")
    assert flow.shape == (2, HEIGHT, WIDTH)
    centres = (np.arange(WIDTH) + 0.5) / 2 - 0.5  # of the pixels, in those of the small frame
    expected = 2 * np.interp(centres, np.arange(WIDTH // 2), np.arange(WIDTH // 2))
    np.testing.assert_allclose(flow[0], np.broadcast_to(expected, (HEIGHT, WIDTH)), atol=1e-5)
    np.testing.assert_allclose(flow[1], -4.5)


def test_flow_of_the_right_size_is_left_as_it_is():
    flow = field(0)
    assert resized_flow(flow, HEIGHT, WIDTH) is flow


@pytest.mark.parametrize(
    ("spoil", "server", "says"),
    [
        (lambda made: None, "kitti2015", "is of the kind sintel, and kitti2015 takes flow of the kind kitti"),
        (
            lambda made: (made / "flow/000000.json").unlink(),
            "sintel",
            r"has no flow of ambush_1-000001 \(2 of 2 that sintel asks for\): make flow with frames: {pairs",
        ),
        (
            lambda made: [path.unlink() for path in made.parent.glob("MPI/**/*.png")],
            "sintel",
            "ambush_1: no image in the folder: the size that the server asks for is that of the original frames",
        ),
    ],
)
def test_what_a_server_would_not_take_is_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], server: str, says: str
):
    made = sintel(tmp_path, _000001=(field(1), 2), _000002=(field(2), 3))
    spoil(made)
    with pytest.raises(UserError, match=says):
        export_flow(made, tmp_path / "out", server)


def test_flow_to_another_frame_than_the_next_is_refused(tmp_path: Path):
    made = sintel(tmp_path, _000001=(field(1), 3), _000002=(field(2), 3))
    with pytest.raises(UserError, match="ambush_1-000001: leads to frame 3"):
        export_flow(made, tmp_path / "out", "sintel")
    (made / "plan.json").write_text("{}")
    with pytest.raises(UserError, match="lies in a dataset's own folder"):
        export_flow(made, made / "out", "sintel")
