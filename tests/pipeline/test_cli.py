"""The command line, run as a user runs it: what is wrong is one line, and nothing half-written stays."""

import json
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common_fate.shards.column import Shard

ROOT = Path(__file__).resolve().parents[2]
SOURCE = {"kind": "synthetic", "videos": 2, "frames": 16, "height": 160, "width": 200, "objects": 3}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pipeline", *map(str, arguments)]


def pipeline(*arguments: Any, preexec_fn: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, preexec_fn=preexec_fn)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stages(data: Path) -> dict[str, list[Any]]:
    """The commands that build shard 000000, by the path of what each makes."""
    tar = "000000.tar"
    return {
        f"frames/{tar}": ["frames", data / "plan.json"],
        f"flow/{tar}": ["flow", data / "frames" / tar],
        f"guidance/{tar}": ["guidance", data / "flow" / tar],
        f"truth/{tar}": ["truth", data / "frames" / tar, data / "plan.json"],
        f"shards/cmp/{tar}": ["view", "cmp", *(data / column / tar for column in ("frames", "flow", "guidance"))],
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one shard, built stage by stage from the command line."""
    data = tmp_path_factory.mktemp("cli") / "demo"
    assert pipeline("catalog", data, "--source", json.dumps(SOURCE)).returncode == 0
    for target, arguments in stages(data).items():
        done = pipeline(*arguments, "--to", data / target)
        assert done.returncode == 0, done.stderr
    return data


@pytest.mark.slow
@pytest.mark.faults
def test_killed_at_any_moment_and_run_again_the_tree_is_the_same(data: Path):
    undisturbed = tree(data)
    chance = random.Random(0)
    for _ in range(10):
        target, arguments = chance.choice(list(stages(data).items()))
        to = data / target
        process = subprocess.Popen(command(*arguments, "--to", to), cwd=ROOT, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list(to.parent.glob(".*.tmp")):
            time.sleep(0.002)
        time.sleep(chance.expovariate(20))
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = tree(data)
        assert all(left[name] == undisturbed[name] for name in set(left) & set(undisturbed)), (
            "a final name was not whole"
        )
        assert pipeline(*arguments, "--to", to).returncode == 0
        assert tree(data) == undisturbed


def test_pairs_whose_flow_back_does_not_agree_are_left_out_and_counted(data: Path, tmp_path: Path):
    frames = data / "frames/000000.tar"

    def flow(name: str, **options: Any) -> tuple[dict[str, dict[str, bytes]], dict[str, Any]]:
        to = tmp_path / name / "000000.tar"
        done = pipeline("flow", frames, "--to", to, "--options", json.dumps(options), "--min-success", 1)
        assert done.returncode == 0, done.stderr
        with Shard(to) as shard:
            return {key: shard[key].encoded for key in shard}, json.loads(to.with_suffix(".json").read_text())

    every, record = flow("every", backward=True)
    assert "max_inconsistent" not in record["options"]
    shares = {key: json.loads(members["json"])["occluded"] for key, members in every.items()}
    most = sorted(shares.values())[len(shares) // 2]
    gone = [key for key, share in shares.items() if share > most]
    assert 0 < len(gone) < len(every)
    kept, record = flow("kept", backward=True, max_inconsistent=most + 5e-5)  # the facts are rounded to four decimals
    assert kept == {key: members for key, members in every.items() if key not in gone}
    assert (record["dropped"], record["failures"]) == ({"inconsistent pair": gone}, [])
    refused = pipeline("flow", frames, "--to", tmp_path / "000000.tar", "--options", '{"max_inconsistent": 0.3}')
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "max_inconsistent compares flow with flow back: set backward: true beside it" in refused.stderr


def test_a_full_disk_is_one_line_and_leaves_nothing(data: Path, tmp_path: Path):
    to = tmp_path / "frames/000000.tar"

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = pipeline("frames", data / "plan.json", "--to", to, preexec_fn=small_files)
    assert done.returncode == 1
    assert f"error: {to}: cannot be written: the file is larger" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(to.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(data: Path, tmp_path: Path):
    (tmp_path / "frames").touch()
    done = pipeline("frames", data / "plan.json", "--to", tmp_path / "frames/000000.tar")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["guidance", "{data}/frames/000000.tar", "--to", "{tmp}/000000.tar"],
            "guidance reads one each of flow, and was",
        ),
        (["guidance", "{data}/flow/000009.tar", "--to", "{tmp}/000009.tar"], "flow/000009.json: missing"),
        (["frames", "{data}/plan.json", "--to", "{tmp}/000009.tar"], "there is no shard 000009"),
        (["guidance", "{data}/flow/000000.tar", "--to", "{tmp}/0.tar", "--options", "{"], "is not JSON"),
        (
            ["regions", "{data}/frames/000000.tar", "--to", "{tmp}/0.tar", "--options", '{"maps": "a\\u0000b"}'],
            "should have no NUL character",
        ),
        (["guidance", "{data}/flow/000000.tar", "--to", "{tmp}/0.tar", "--options", '{"k": 1}'], "--options: "),
        (["view", "cpm", "{data}/flow/000000.tar", "--to", "{tmp}/0.tar"], "there is no view 'cpm'"),
        (["catalog", "{tmp}", "--source", '{"kind": "film"}'], "--source: kind should be one of videos"),
        (["check-estimator", "raft"], "there is no estimator 'raft': it is 'dis', 'matching', 'network', 'ptlflow:'"),
        (["check-estimator", "network:{tmp}/model.safetensors"], "model.safetensors: there is no such file: train"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: list[str], says: str, data: Path, tmp_path: Path):
    done = pipeline(*(a.replace("{data}", str(data)).replace("{tmp}", str(tmp_path)) for a in arguments))
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.glob("*.tar")) == []


def test_too_many_failures_are_listed_by_reason(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").write_bytes(b"")
    source = json.dumps({"kind": "videos", "path": f"{tmp_path}/*.mp4"})
    assert pipeline("catalog", tmp_path / "data", "--source", source).returncode == 0
    done = pipeline(
        *("frames", tmp_path / "data/plan.json", "--to", tmp_path / "data/frames/000000.tar", "--min-success", "0.5")
    )
    assert done.returncode == 1
    assert "frames: 2 of 2 videos failed, and min_success is 0.5" in done.stderr
    assert "2 x " in done.stderr
    assert not (tmp_path / "data/frames/000000.tar").exists()


def test_too_few_addresses_to_compile_with_are_said_so_at_once(tmp_path: Path):
    """Else LLVM hangs, or ends the process."""

    def few_addresses() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))

    done = pipeline("verify", tmp_path, preexec_fn=few_addresses)
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: a process may have 1048576 kB of addresses here \(`ulimit -v`\), and this one needs (\d+) to begin "
        r"with: `ulimit -v unlimited`, or \1 and more\n",
        done.stderr,
    )
