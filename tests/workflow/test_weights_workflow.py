"""Weights that shape a column: the user's own, and those that an experiment trains."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.columns.regions.contours.detectors import SHIPPED
from tests.support.workspace import SMALL, Workspace

pytestmark = pytest.mark.slow


def network(path: Path, seed: int) -> None:
    """A model.safetensors of a flow network with random weights."""
    import torch
    from safetensors.torch import save_file

    from pipeline.columns.flow.networks import create_network

    torch.manual_seed(seed)
    name = "ptlflow:rapidflow_it1"
    about = {"flow_network": {"name": name, "frames": 2}}
    save_file(create_network(name, {}).state_dict(), path, metadata={"about": json.dumps(about)})


def test_other_weights_under_the_same_path_redo_their_column_and_what_follows(workspace: Workspace):
    model, forest = workspace.folder / "model.safetensors", workspace.folder / "forest.yml.gz"
    network(model, 0)
    shutil.copy(SHIPPED, forest)
    dataset: dict[str, Any] = SMALL | {
        "source": SMALL["source"] | {"videos": 1, "frames": 3},
        "flow": {"estimator": f"network:{model}"},
        "regions": {"forest": str(forest)},
        "views": ["cmp", "grouping"],
    }
    workspace.configure({"small": dataset})
    made = workspace.make("shards")
    assert (made["flow_shard_on_gpu"], made["regions_shard"], made["view_shard"]) == (1, 1, 2)
    assert workspace.planned("shards").total() == 0
    model.touch()
    assert workspace.planned("shards").total() == 0
    network(model, 1)
    redone = workspace.planned("shards")
    assert redone == {"flow_shard_on_gpu": 1, "guidance_shard": 1, "view_shard": 1, "manifest": 1, "shards": 1}
    network(model, 0)
    forest.write_bytes(forest.read_bytes() + b"\0")
    redone = workspace.planned("shards")
    assert redone == {"regions_shard": 1, "view_shard": 1, "manifest": 1, "shards": 1}


def test_flow_of_an_experiment_waits_for_its_training(workspace: Workspace):
    flow = {"estimator": "network:experiments.one"}
    trained = {"method": "selflow", "train": ["small"], "validation": {"share": 0.5}}
    trained |= {"network": {"name": "small", "frames": 2}, "transforms": {"crop": 64}}
    small = SMALL | {"frames": {"triplets": True}, "views": ["selflow"]}
    workspace.configure({"small": small, "more": SMALL | {"flow": flow}}, {"one": trained})
    planned = workspace.planned("results/more/flow/000000.tar")
    assert (planned["train"], planned["flow_shard_on_gpu"], planned["superpixels_shard"]) == (1, 1, 3)
    assert planned["flow_shard"] == 0


def test_flow_of_an_experiment_that_trains_no_flow_network_is_refused(workspace: Workspace):
    flow = {"estimator": "network:experiments.one"}
    trained = {"method": "cmp", "recipe": "demo", "train": ["small"], "validation": {"share": 0.5}}
    workspace.configure({"small": SMALL, "more": SMALL | {"flow": flow}}, {"one": trained})
    done = workspace.snakemake("--dry-run", "results/more/flow/000000.tar")
    assert done.returncode
    assert "config.yaml: datasets.more.flow: 'one' is of cmp, which trains no flow network" in done.stderr
