"""What `--profile slurm` asks a cluster for, as a dry run tells it; tests/slurm runs it."""

import logging
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import snakemake_executor_plugin_slurm as slurm
import yaml
from snakemake_executor_plugin_slurm.partitions import Partition, PartitionLimits
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string
from snakemake_executor_plugin_slurm.validation import validate_slurm_extra
from snakemake_interface_common.exceptions import WorkflowError

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


class Resources(dict[str, Any]):
    """As the executor is given them: by key, or as attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def job_with(**resources: Any) -> SimpleNamespace:
    return SimpleNamespace(name="train", threads=1, resources=Resources(resources), is_group=lambda: False)


def submitted(settings: dict[str, Any], **resources: Any) -> str:
    """What of `sbatch` follows from a job's resources: `docs/cluster.md` says these things of the executor."""
    job = job_with(**resources)
    names = ("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir")
    given = SimpleNamespace(**dict.fromkeys(("requeue", "no_requeue", "qos", "reservation")) | settings)
    return get_submit_command(job, dict.fromkeys(names, ""), settings=given) + set_gres_string(job)


def executor(partitions: Any = None) -> SimpleNamespace:
    settings = SimpleNamespace(no_account=True)
    fallback = {"_fallback_account_arg": None, "_fallback_partition": "of_the_cluster"}
    return SimpleNamespace(
        workflow=SimpleNamespace(executor_settings=settings),
        logger=logging.getLogger("slurm"),
        _partitions=partitions,
        **fallback,
    )


def test_the_executor_reads_the_keys_as_the_document_says(monkeypatch: pytest.MonkeyPatch):
    command = submitted({}, qos="long", constraint="skylake", runtime=240, mem_mb=2000, slurm_extra="--nice=5")
    assert {" --qos=long", " -C skylake", " -t 240", " --mem 2000", " --nice=5"} <= {
        f" {part}" for part in re.split(r" (?=-)", command)
    }
    assert re.findall(r"--qos=(\w+)", submitted({"qos": "all"}, qos="long")) == ["long", "all"]
    assert submitted({}, gpu=2, gpu_model="a100").endswith(" --gpus=a100:2")
    assert submitted({}, gpu_model="a100").endswith(" --gpus=a100:1")
    assert submitted({}, gres="gpu:a100:4").endswith(" --gres=gpu:a100:4")
    for extra in ("--account=x", "--qos=x", "-p x", "--mem=1", "--time=1", "--gres=gpu", "-C x"):
        with pytest.raises(WorkflowError, match="not allowed in the 'slurm_extra'"):
            validate_slurm_extra(job_with(slurm_extra=extra))


def test_the_executor_guesses_an_account_whatever_it_is_told(monkeypatch: pytest.MonkeyPatch):
    """Should a new version read `--slurm-no-account`, docs/cluster.md is to say so."""
    monkeypatch.setattr(slurm, "get_account", lambda logger: "last")
    monkeypatch.setattr(slurm, "validate_account", lambda account, logger: account)
    assert list(slurm.Executor.get_account_arg(executor(), job_with())) == [" -A last"]
    assert list(slurm.Executor.get_account_arg(executor(), job_with(slurm_account="lab"))) == [" -A lab"]
    monkeypatch.setattr(slurm, "get_account", lambda logger: None)
    assert list(slurm.Executor.get_account_arg(executor(), job_with())) == [""]


def test_a_partition_that_is_named_is_taken_unseen():
    short = Partition("short", PartitionLimits(max_runtime=60))
    long = Partition("long", PartitionLimits(max_runtime=600))
    chosen = executor([short, long])
    assert slurm.Executor.get_partition_arg(chosen, job_with(runtime=240, slurm_partition="short")) == " -p short"
    assert slurm.Executor.get_partition_arg(chosen, job_with(runtime=240)) == " -p long"
    assert slurm.Executor.get_partition_arg(executor(), job_with(runtime=240)) == " -p of_the_cluster"


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
