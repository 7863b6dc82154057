"""What another lab gets: the wheel that this repository builds, installed where nothing else is."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from common_fate import __version__
from common_fate.foreign.flow_files import read_flo
from common_fate.shards.column import Shard
from tests.support.made_dataset import HEIGHT, WIDTH, key, make_dataset

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
MOST_MEGABYTES = 450
OURS = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


class Bare:
    """A virtual environment with the wheel alone; commands run in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "venv/bin"
        self.before = 0.0  # megabytes of packages without the wheel

    def run(self, *command: object, place: Path | None = None) -> subprocess.CompletedProcess[str]:
        words = [str(self.bin / str(command[0])), *map(str, command[1:])]
        return subprocess.run(words, cwd=place or self.folder, env=OURS, capture_output=True, text=True)

    def get(self, *command: object, place: Path | None = None) -> str:
        done = self.run(*command, place=place)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def megabytes(self) -> float:
        """What the environment's packages take on the disk."""
        (packages,) = (self.folder / "venv/lib").glob("python3*/site-packages")
        return sum(path.lstat().st_blocks * 512 for path in packages.rglob("*")) / 2**20


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    bare = Bare(tmp_path_factory.mktemp("bare"))
    subprocess.run([sys._base_executable, "-m", "venv", bare.folder / "venv"], check=True, env=OURS)
    reached = bare.run("pip", "download", "--quiet", "--no-deps", "--dest", "reached", "hatchling")
    if reached.returncode:
        pytest.skip("no package index is reachable, from which what the wheel needs could come")
    bare.get("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", bare.folder / "dist", ROOT)
    bare.before = bare.megabytes()
    (wheel,) = (bare.folder / "dist").iterdir()
    bare.get("pip", "install", "--quiet", wheel)
    return bare


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("wheel") / "small")


def test_it_holds_common_fate_and_nothing_else(bare: Bare):
    (wheel,) = (bare.folder / "dist").iterdir()
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"common_fate", f"common_fate-{__version__}.dist-info"}
    assert bare.get("common-fate", "--version") == f"Common Fate {__version__}\n"
    assert bare.get("python", "-m", "common_fate", "--version") == f"Common Fate {__version__}\n"


def test_it_brings_little_and_neither_torch_nor_the_workflow(bare: Bare):
    assert bare.megabytes() - bare.before < MOST_MEGABYTES
    names = ("torch", "snakemake", "numba", "scipy", "pipeline", "trainers", "webdataset", "av")
    code = f"import importlib.util as u; print([name for name in {names} if u.find_spec(name)])"
    assert bare.get("python", "-c", code) == "[]\n"
    assert Path(bare.get("python", "-c", "import common_fate as c; print(c.__file__)")).is_relative_to(bare.folder)


def test_its_commands_check_show_export_and_share(bare: Bare, dataset: Path, tmp_path: Path):
    view = dataset / "shards/cmp"
    assert bare.get("common-fate", "verify", dataset, "--full") == f"{dataset}: in order\n"
    assert "magnitude" not in (told := bare.get("common-fate", "stats", dataset))
    assert "flow mean" in told
    bare.get("common-fate", "show", view, "--to", tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).std() > 10
    bare.get("common-fate", "export", view, "--to", tmp_path / "plain", "--key", key(2, 0))
    flow, _ = read_flo(tmp_path / "plain" / f"{key(2, 0)}.flow.flo")
    with Shard(view / "000002.tar") as shard:
        np.testing.assert_array_equal(flow, shard[key(2, 0)]["flow.b2"])  # decoded with Numba here, without it there
    bare.get("common-fate", "share", view, "--to", tmp_path / "shared", "--licence", "CC0-1.0")
    assert bare.get("common-fate", "verify", tmp_path / "shared", "--full").endswith("in order\n")
    bare.get("common-fate", "split", view, "--train", "a", "--val", "b", "--hold-out", "0.5", place=tmp_path)
    assert bare.get("common-fate", "verify", "results/a", "--full", place=tmp_path) == "results/a: in order\n"
    refused = bare.run("common-fate", "verify", tmp_path / "nowhere")
    assert (refused.returncode, refused.stderr) == (1, f"error: {tmp_path / 'nowhere'}: there is no such folder\n")


def snippet(page: str, words: str) -> str:
    """The block of Python of a page that has some words."""
    (block,) = [one for one in re.findall("```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL) if words in one]
    return block


def test_the_readmes_lines_read_a_view(bare: Bare, dataset: Path):
    lines = snippet("README.md", "read_samples").replace("results/demo/shards/cmp", str(dataset / "shards/cmp"))
    said = bare.get("python", "-c", lines + "\nprint(key, image.shape, image.dtype, flow.shape, points.shape[1])")
    assert said == f"{key(0, 0)} ({HEIGHT}, {WIDTH}, 3) uint8 (2, {HEIGHT}, {WIDTH}) 3\n"


def test_flow_is_decoded_by_numpy_and_blosc2_alone(bare: Bare, dataset: Path):
    with Shard(dataset / "flow/000001.tar") as shard:
        payload, flow = shard[key(1, 0)].encoded["flow.b2"], shard[key(1, 0)]["flow.b2"]
    lines = f"payload = {payload!r}\n" + snippet("docs/data_format.md", "blosc2")
    said = bare.get("python", "-c", lines + "\nprint(flow.shape, flow.dtype, flow.sum(), flow.max())")
    assert said == f"{flow.shape} {flow.dtype} {flow.sum()} {flow.max()}\n"


def test_a_reader_that_leaves_early_ends_it_quietly(bare: Bare, dataset: Path):
    command = f"{bare.bin / 'common-fate'} stats {dataset} | head -n 1"
    done = subprocess.run(["bash", "-c", command], env=OURS, cwd=bare.folder, capture_output=True, text=True)
    assert done.stdout == "small: columns and views\n"
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
