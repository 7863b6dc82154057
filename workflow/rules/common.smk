# The checked configuration, and helpers of the experiments' rules.
import json
import os
import shutil
import sys

sys.path.insert(0, workflow.basedir)
# The rules call `python -m pipeline` with the interpreter and the code that this Snakemake runs from, wherever it runs.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
    PYTHONPATH=os.pathsep.join(filter(None, [workflow.basedir, os.environ.get("PYTHONPATH")])),
)

from pipeline.config.load import load
from common_fate.errors import UserError
from trainers.experiments import METHODS, grids, load as load_experiments
from trainers.evaluations.segmentation.options import VERSION as SEGMENTATION_VERSION


def refuse(error):
    """Ends with one line, not a traceback: it is for the user to put right."""
    sys.exit(f"error: {error}")


def one_of(names):
    """A wildcard's constraint: these names and no others."""
    return "|".join(names) or "(?!)"


CONFIG_FILE = os.path.relpath(workflow.overwrite_configfiles[-1]) if workflow.overwrite_configfiles else "config.yaml"
try:
    DATASETS = load(config, CONFIG_FILE)
    EXPERIMENTS = load_experiments(config, DATASETS, CONFIG_FILE)
except UserError as error:
    refuse(error)


GRIDS = grids(EXPERIMENTS)
SEGMENTED = [name for name, experiment in EXPERIMENTS.items() if experiment.segmentation]


def experiment_of(wildcards):
    return EXPERIMENTS[wildcards.experiment]


def options_of(run):
    """Resolved options as JSON; a change of them reruns the training, or the fine-tuning, and what follows."""
    return json.dumps(run.options, sort_keys=True)


def manifest_files(views):
    return [f"{view}/samples.parquet" for view in views]


def trained_on(wildcards):
    experiment = experiment_of(wildcards)
    if experiment.nodes > 1 and not shutil.which("srun"):
        refuse(f"{CONFIG_FILE}: experiments.{experiment.name}.nodes: several nodes need SLURM, and there is no srun")
    return manifest_files(experiment.views + experiment.validation_views)


ON_NODES = [name for name, experiment in EXPERIMENTS.items() if experiment.nodes > 1]


def launcher(wildcards):
    """What starts the training: a process, or one for each device. A resource, so that another number redoes nothing."""
    devices = experiment_of(wildcards).devices
    return f"torchrun --standalone --nproc-per-node {devices} -m --" if devices > 1 else "python -m"


def launcher_on_nodes(wildcards, threads):
    """SLURM starts a torchrun on each node; they meet on the first, where the job's script runs, at a port of the job."""
    experiment = experiment_of(wildcards)
    tasks = f"--nodes {experiment.nodes} --ntasks {experiment.nodes} --ntasks-per-node 1 --cpus-per-task {threads}"
    place = "--rdzv-backend c10d --rdzv-id $SLURM_JOB_ID --rdzv-endpoint $(hostname):$((20000 + SLURM_JOB_ID % 20000))"
    return f"srun {tasks} torchrun --nnodes {experiment.nodes} --nproc-per-node {experiment.devices} {place} -m --"


def gpus(wildcards):
    return experiment_of(wildcards).devices if WITH_GPUS else 0


def training_threads(wildcards):
    """All cores of a laptop, which trains one model at a time; on a larger machine, what the loaders can use."""
    experiment = experiment_of(wildcards)
    return max(8, experiment.devices * (experiment.workers + 1))


def checkpoint_of(wildcards):
    """The weights that a fine-tuning starts from; none for one from scratch."""
    start = experiment_of(wildcards).segmentation.starts[wildcards.start]
    made = f"results/experiments/{wildcards.experiment}/encoder.safetensors"
    return {"encoder": made, "scratch": []}.get(start, start)


def segmentations_of(experiment):
    """The result of each fine-tuning of an experiment."""
    starts = EXPERIMENTS[experiment].segmentation.starts if experiment in SEGMENTED else []
    return [f"results/experiments/{experiment}/segmentation/{start}.json" for start in starts]


def results_of(experiment):
    """What an experiment is to leave: numbers for machines, and what people look at."""
    shown = ["curves.svg", "flow.html"] + ["segmentation.html"] * (experiment in SEGMENTED)
    return [
        f"results/experiments/{experiment}/metrics.json",
        f"results/experiments/{experiment}/samples.png",
        *(f"results/report/experiments/{experiment}/{name}" for name in shown),
    ]


def comparisons_of(grid):
    return [f"results/report/experiments/{grid}/comparison.{ending}" for ending in ("html", "svg")]


wildcard_constraints:
    experiment=one_of(EXPERIMENTS),
    grid=one_of(GRIDS),
    start="[A-Za-z0-9_-]+",
