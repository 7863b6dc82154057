"""What `--profile slurm` asks a cluster for, as a dry run tells it; tests/slurm runs it."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.registry import STAGES
from tests.support.workspace import ROOT, SMALL, Workspace, changed, jobs

pytestmark = pytest.mark.slow

PROFILE = ("--profile", str(ROOT / "profiles/slurm"))
TRAINED: dict[str, Any] = {"method": "cmp", "recipe": "demo", "train": ["small"], "validation": {"share": 0.5}}


def asked(said: str) -> dict[str, dict[str, str]]:
    """The resources of the first job of each rule."""
    found: dict[str, dict[str, str]] = {}
    for rule, resources in re.findall(
        r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", said, re.MULTILINE
    ):
        found.setdefault(rule, dict(item.split("=", 1) for item in resources.split(", ")))
    return found


def planned(workspace: Workspace, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = workspace.command("--dry-run", *arguments)
    return subprocess.run(
        command, cwd=workspace.folder, capture_output=True, text=True, env=dict(os.environ) | environment
    )


def test_every_rule_says_what_it_needs_and_asks_for_more_when_tried_again():
    profile = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())["set-resources"]
    rules = {
        name
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for name in re.findall(r"^(?:rule|use rule \w+ as) (\w+)", path.read_text(), re.MULTILINE)
        if path.name != "targets.smk"
    }
    assert set(profile) == rules - {"evaluate"}, "which asks for what its evaluation needs"
    for name, resources in profile.items():
        memory_by_device = name in ("train", "train_on_nodes")
        assert set(resources) == ({"runtime"} if memory_by_device else {"mem_mb", "runtime"})
        assert all(re.fullmatch(r"\d+ \* attempt", value) for value in resources.values())


def test_shards_go_to_one_partition_and_gpu_jobs_to_the_other(workspace: Workspace):
    workspace.configure({"small": SMALL}, {"one": TRAINED | {"devices": 2}})
    resources = asked(planned(workspace, *PROFILE).stdout)
    for stage in (STAGES[name] for name in ("frames", "flow", "guidance", "truth")):
        needs = (str(stage.memory_mb), str(stage.minutes))
        assert (resources[f"{stage.name}_shard"]["mem_mb"], resources[f"{stage.name}_shard"]["runtime"]) == needs
    assert resources["guidance_shard"]["slurm_partition"] == "cpu"
    assert "gpu" not in resources["guidance_shard"]
    assert (resources["train"]["slurm_partition"], resources["train"]["gpu"]) == ("gpu", "2")
    assert (resources["evaluate"]["slurm_partition"], resources["evaluate"]["gpu"]) == ("gpu", "1")
    assert (resources["evaluate"]["mem_mb"], resources["evaluate"]["runtime"]) == ("16000", "240")


def test_flow_of_a_network_asks_for_a_gpu(workspace: Workspace):
    network = {"estimator": "ptlflow:liteflownet", "checkpoint": "things.ckpt"}
    (workspace.folder / "things.ckpt").touch()
    workspace.configure({"small": SMALL} | {"deep": changed(flow=network)["small"]})
    said = planned(workspace, *PROFILE, "flow").stdout
    assert (jobs(said)["flow_shard"], jobs(said)["flow_shard_on_gpu"]) == (3, 3)
    resources = asked(said)["flow_shard_on_gpu"]
    assert (resources["slurm_partition"], resources["gpu"], resources["min_success"]) == ("gpu", "1", "0.9")
    assert (resources["mem_mb"], resources["runtime"]) == ("16000", "240")


def test_a_cluster_without_gpus_trains_where_it_works(workspace: Workspace, tmp_path: Path):
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    profile["default-resources"]["gpu_partition"] = "none"
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/config.yaml").write_text(yaml.safe_dump(profile))
    workspace.configure({"small": SMALL}, {"one": TRAINED})
    resources = asked(planned(workspace, "--profile", str(tmp_path / "ours")).stdout)["train"]
    assert (resources["slurm_partition"], resources["gpu"]) == ("cpu", "0")
    workspace.configure({"small": SMALL}, {"one": TRAINED | {"devices": 2}})
    done = planned(workspace, "--profile", str(tmp_path / "ours"))
    assert (
        "config.yaml: experiments.one.devices is 2, and by gpu_partition of the profile, jobs have 0 GPUs"
        in done.stderr
    )


def test_several_nodes_need_slurm(workspace: Workspace, tmp_path: Path):
    workspace.configure({"small": SMALL}, {"one": TRAINED | {"nodes": 2}})
    for program in ("bash", "sh", "which"):  # what Snakemake itself calls, and no srun
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    done = planned(workspace, PATH=str(tmp_path))
    assert done.returncode == 1
    line = "error: config.yaml: experiments.one.nodes: several nodes need SLURM, and there is no srun"
    assert line in done.stderr
    assert "Traceback" not in done.stderr
