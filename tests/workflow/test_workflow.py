"""The guarantees of the workflow, seen from the command line of Snakemake itself."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from common_fate.datasets.verify import verify
from tests.support.workspace import ROOT, SMALL, Workspace, changed, jobs

pytestmark = pytest.mark.slow


def test_a_first_run_leaves_shards_manifest_and_pictures(built: Workspace):
    files = set(built.tree())
    for shard in ("000000", "000001", "000002"):
        for column in ("frames", "flow", "guidance", "truth", "shards/cmp"):
            assert {f"small/{column}/{shard}.tar", f"small/{column}/{shard}.json"} <= files
    assert {f"small/shards/cmp/{name}" for name in ("samples.parquet", "shards.parquet", "SHA256SUMS")} <= files
    assert not [name for name in files if name.endswith(".tmp")]
    sums = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=built.folder / "results/small/shards/cmp")
    assert sums.returncode == 0


def code_in(folder: Path) -> Path:
    """A copy of the code."""
    for name in ("common_fate", "pipeline", "trainers", "workflow", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


def test_nothing_to_do_means_no_jobs(built: Workspace):
    assert not built.planned()


def test_changed_guidance_options_redo_guidance_and_what_follows(built: Workspace):
    built.configure(changed(guidance={"kernel_size": 15}))
    planned = built.planned()
    assert planned["guidance_shard"] == 3
    assert planned["view_shard"] == 3
    assert not {"frames_shard", "flow_shard", "truth_shard"} & set(planned)


def test_a_raised_stage_version_redoes_the_stage_and_what_follows(built: Workspace, tmp_path: Path):
    built.root = code_in(tmp_path / "code")
    assert not built.planned(), "moving the code alone redoes nothing"
    stage = built.root / "pipeline/columns/guidance.py"
    stage.write_text(stage.read_text().replace("version=1,", "version=2,"))
    planned = built.planned()
    assert planned["guidance_shard"] == 3
    assert not {"frames_shard", "flow_shard", "truth_shard"} & set(planned)


def test_a_lowered_min_success_redoes_nothing(built: Workspace):
    built.configure(changed(min_success=0.1))
    assert not built.planned()


def test_growing_a_dataset_makes_new_shards_only(built: Workspace):
    before = built.tree()
    built.configure(changed(source={"videos": 5}))
    assert built.planned()["frames_shard"] == 2
    built.make()
    after = built.tree()
    old = [name for name in before if name.endswith(".tar")]
    assert all(after[name] == before[name] for name in old)
    assert sum(name.startswith("small/shards/cmp/") and name.endswith(".tar") for name in after) == 5
    assert not built.planned()


def test_removing_a_video_rebuilds_its_shard_only_and_moving_all_none(built: Workspace, tmp_path: Path):
    frames = tmp_path / "frames"
    images(frames, ["ape", "yak", "zebra"])
    dataset = {"source": {"kind": "frames", "path": f"{frames}/*"}, "videos_per_shard": 2, "min_success": 0}
    built.configure({"animals": dataset})
    built.make()
    before = built.tree()
    subprocess.run(["rm", "-r", str(frames / "yak")], check=True)
    assert built.planned()["frames_shard"] == 1
    built.make()
    after = built.tree()
    assert after["animals/frames/000001.tar"] == before["animals/frames/000001.tar"]
    assert b"yak" in before["animals/frames/000000.tar"]
    assert b"yak" not in b"".join(data for name, data in after.items() if name.startswith("animals/"))
    frames.rename(built.folder / "moved")
    dataset["source"] = {"kind": "frames", "path": "moved/*", "license": "CC0"}
    built.configure({"animals": dataset})
    assert set(built.planned()) & {"manifest", "frames_shard", "view_shard"} == {"manifest"}
    del dataset["source"]["license"]
    built.configure({"animals": dataset})
    assert not built.planned()
    assert not verify(built.folder / "results/animals", full=False)


def images(folder: Path, videos: list[str], count: int = 3) -> None:
    """Folders of frames: noise that moves two pixels a frame."""
    for number, video in enumerate(videos):
        (folder / video).mkdir(parents=True)
        noise = np.random.default_rng(number).integers(0, 255, (12, 16, 3), np.uint8)
        still = cv2.resize(noise, (96, 64), interpolation=cv2.INTER_CUBIC)
        for frame in range(count):
            cv2.imwrite(str(folder / video / f"{frame:05d}.png"), np.roll(still, 2 * frame, axis=1))


def test_a_shard_beyond_the_plan_is_refused_in_one_line(built: Workspace):
    for target in ("flow/000017.tar", "frames/000017.json", "shards/cmp/000017.tar"):
        done = built.snakemake("--dry-run", "--force", f"results/small/{target}")
        assert done.returncode != 0
        said = done.stderr + done.stdout
        assert "error: results/small/plan.json: plans 3 shards; there is no shard 000017" in said
        assert "Traceback" not in said


def test_a_second_run_at_once_says_so_and_stops(built: Workspace):
    built.configure(changed(frames={"shorter_side": 48}))
    first = subprocess.Popen(built.command(), cwd=built.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((built.folder / ".snakemake/locks").glob("*")):
        assert first.poll() is None
        time.sleep(0.05)
    second = built.snakemake()
    assert first.wait() == 0
    assert second.returncode != 0
    assert "lock" in (second.stdout + second.stderr).lower()


@pytest.mark.parametrize(
    ("datasets", "says"),
    [
        ({"x": {"source": {"kind": "videos", "path": "none/*.mp4"}}}, "datasets.x.source.path 'none/*.mp4' matches no"),
        (changed(guidance={"kernelsize": 5}), "guidance.kernelsize is not a key: did you mean kernel_size?"),
        (changed(flow={"estimator": "raft"}), "datasets.small.flow.estimator"),
        (changed(frames={"pairs": "none"}, views=["cmp"]), "needs pairs of frames"),
    ],
)
def test_bad_configuration_is_refused_in_one_line_before_any_job(
    workspace: Workspace, datasets: dict[str, Any], says: str
):
    workspace.configure(datasets)
    done = workspace.snakemake()
    assert done.returncode != 0
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert not (workspace.folder / "results").exists()


@pytest.mark.parametrize(
    ("target", "made"),
    [
        ("frames", {"frames_shard": 3}),
        ("flow", {"frames_shard": 3, "flow_shard": 3}),
        ("guidance", {"frames_shard": 3, "flow_shard": 3, "guidance_shard": 3}),
        ("regions", {"frames_shard": 3, "regions_shard": 3}),
        ("truth", {"frames_shard": 3, "truth_shard": 3}),
        (
            "shards",
            dict.fromkeys(("frames_shard", "flow_shard", "guidance_shard", "regions_shard"), 3)
            | {"view_shard": 6, "manifest": 2},
        ),
    ],
)
def test_a_stage_is_a_target(workspace: Workspace, target: str, made: dict[str, int]):
    workspace.configure(changed(views=["cmp", "grouping"]))
    assert workspace.planned("--", target) == ({target: 1} | made)


def test_a_target_that_no_dataset_has_is_one_clear_line(workspace: Workspace):
    workspace.configure({"small": SMALL})
    done = workspace.snakemake("--", "superpixels")
    assert done.returncode == 1
    assert "error: config.yaml: no dataset has superpixels: give one a view that needs it" in done.stderr
    assert "Traceback" not in done.stderr


def test_report_and_all_are_targets(workspace: Workspace):
    workspace.configure({"small": SMALL})
    report = workspace.planned("--", "report")
    assert report.pop("report") == 1
    assert report | {"home": 1} == workspace.planned("--", "all")


def test_a_checkout_whose_path_has_braces_gives_a_report(built: Workspace, tmp_path: Path):
    built.root = code_in(tmp_path / "{a} 2{b")
    assert not built.planned()
    done = built.snakemake("--report", "report.html")
    assert done.returncode == 0, done.stderr
    assert (built.folder / "report.html").stat().st_size > 100_000


def test_the_slurm_profile_works_from_a_clone_and_in_another_directory(workspace: Workspace):
    workspace.configure({"small": SMALL})
    snakemake = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--directory", str(workspace.folder)]
    done = subprocess.run([*snakemake, "--dry-run", "shards"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "slurm_account=" in done.stdout
    assert jobs(done.stdout)["frames_shard"] == 3
    assert not (workspace.folder / "results").exists()
