"""What `merge` and `split` write, in a workflow: adopted datasets, which nothing builds again."""

import subprocess
import sys

import pytest

from tests.support.workspace import ROOT, SMALL, Workspace

pytestmark = pytest.mark.slow


def test_both_sides_of_a_split_are_datasets_to_train_on(built: Workspace):
    split = "split results/small/shards/cmp --train ours --val theirs --hold-out 0.5"
    merge = "merge results/ours/shards/cmp results/theirs/shards/cmp --dataset both"
    for command in (split, merge):
        subprocess.run(
            [sys.executable, "-m", "pipeline", *command.split()],
            cwd=built.folder,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
        )
    adopted = {"source": {"kind": "adopted"}}
    datasets = {"small": SMALL, "ours": adopted, "theirs": adopted, "both": adopted}
    training = {"method": "cmp", "recipe": "demo", "train": ["ours"], "validation": {"on": ["theirs"]}}
    built.configure(datasets, {"first": training})
    assert not built.planned("--", "shards")
    assert built.planned() == {
        **{"contact_sheet": 3, "statistics": 3},
        **{"train": 1, "encoder": 1, "evaluate": 1, "experiment_report": 1, "home": 1},
    }
