# Helpers of the rules that train, evaluate and report: the checked experiments, and what each of their jobs is asked.
import json
import shlex
import shutil
from functools import cache
from pathlib import Path

from common_fate.datasets.catalog import read_catalog
from pipeline.columns.flow.estimators import check_estimator
from trainers.experiments import grids, load as load_experiments
from trainers.planning import check_videos, gpus_here

try:
    EXPERIMENTS = load_experiments(config, DATASETS, CONFIG_FILE)
except UserError as error:
    refuse(error)

GRIDS = grids(EXPERIMENTS)
ON_NODES = [name for name, experiment in EXPERIMENTS.items() if experiment.nodes > 1]
WITH_ENCODER = [name for name, experiment in EXPERIMENTS.items() if experiment.encoder]
EVALUATED = sorted({name for experiment in EXPERIMENTS.values() for name in experiment.evaluations})


def videos_of(dataset):
    """The ids of a dataset's videos, as they are listed or were adopted."""
    listed = LISTED[dataset][0] if dataset in LISTED else read_catalog(Path(f"results/{dataset}/catalog.parquet"))
    return [video.video for video in listed]


def check_weights(dataset):
    """Raises `UserError` where a column is shaped by a file that is not there, and that no experiment makes."""
    for name in DATASETS[dataset].columns:
        where, ours = f"{CONFIG_FILE}: datasets.{dataset}.{name}", made_by_experiments(STAGES[name], dataset)
        missing = [path for path in DATASETS[dataset].weights(name) if str(path) not in ours and not path.exists()]
        if missing:
            raise UserError(f"{where}: {missing[0]}: there is no such file")
    estimator = DATASETS[dataset].options("flow") if "flow" in DATASETS[dataset].columns else None
    if estimator and not made_by_experiments(STAGES["flow"], dataset):
        try:
            check_estimator(estimator.pop("estimator"), **estimator)
        except UserError as error:
            raise UserError(f"{CONFIG_FILE}: datasets.{dataset}.flow: {error}") from error


if workflow.is_main_process:
    try:
        for dataset in BUILT:
            check_weights(dataset)
        for experiment in EXPERIMENTS.values():
            videos = list(dict.fromkeys(video for dataset in experiment.train for video in videos_of(dataset)))
            check_videos(videos, **experiment.split, where=experiment.where)
    except UserError as error:
        refuse(error)


def experiment_of(wildcards):
    return EXPERIMENTS[wildcards.experiment]


def evaluated_of(wildcards):
    """One evaluation of an experiment."""
    experiment = experiment_of(wildcards)
    if wildcards.start not in getattr(experiment.evaluations.get(wildcards.evaluation), "starts", ()):
        refuse(f"{experiment.where} has no evaluation {wildcards.evaluation} of {wildcards.start}")
    return experiment.evaluations[wildcards.evaluation]


def as_json(values):
    """Options as JSON; a change of them redoes what they are a parameter of, and what follows."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


@cache
def here():
    return gpus_here()


def manifest_files(views):
    return [f"{view}/samples.parquet" for view in views]


def trained_on(wildcards):
    """The manifests that a training reads; refused where the machine has not what it asks for."""
    experiment = experiment_of(wildcards)
    if experiment.nodes > 1 and not shutil.which("srun"):
        refuse(f"{experiment.where}.nodes: several nodes need SLURM, and there is no srun")
    if experiment.devices > 1:
        asks = f"{experiment.where}.devices is {experiment.devices}"
        if not WITH_GPUS:
            refuse(f"{asks}, and gpu_partition of the profile is none: should be 1, or name the partition with GPUs")
        if GPU_JOBS_GO_TO is None and getattr(workflow.executor_plugin, "common_settings", None).local_exec:
            if here() < experiment.devices:
                refuse(f"{asks}, and this machine has {here()} GPUs: should be {max(1, here())}")
    return manifest_files(experiment.views + experiment.validation_views)


def launcher(wildcards):
    """What starts a process, or one for each device. A resource, so that another number redoes nothing."""
    devices = devices_of(wildcards)
    return f"torchrun --standalone --nproc-per-node {devices} -m --" if devices > 1 else "python -m"


def launcher_on_nodes(wildcards, threads):
    """SLURM starts a torchrun on each node; they meet on the first, where the job's script runs, at a port of the job."""
    experiment = experiment_of(wildcards)
    tasks = f"--nodes {experiment.nodes} --ntasks {experiment.nodes} --ntasks-per-node 1 --cpus-per-task {threads}"
    place = "--rdzv-backend c10d --rdzv-id $SLURM_JOB_ID --rdzv-endpoint $(hostname):$((20000 + SLURM_JOB_ID % 20000))"
    return f"srun {tasks} torchrun --nnodes {experiment.nodes} --nproc-per-node {experiment.devices} {place} -m --"


def devices_of(wildcards):
    """The GPUs of a node that a job takes: of an evaluation that trains nothing, one."""
    trains = "evaluation" not in wildcards.keys() or evaluated_of(wildcards).declared.trains
    return experiment_of(wildcards).devices if trains else 1


def gpus(wildcards):
    return devices_of(wildcards) if WITH_GPUS else 0


def threads_of(wildcards):
    """All cores of a laptop, which trains one model at a time; on a larger machine, what the loaders can use."""
    return max(8, devices_of(wildcards) * (experiment_of(wildcards).workers + 1))


def workers_of(wildcards):
    return experiment_of(wildcards).workers


def process_threads(wildcards, threads):
    return max(1, threads // devices_of(wildcards))


def memory_of(wildcards, attempt):
    return 16000 * devices_of(wildcards) * attempt


def flag(name, value):
    """An option of a command, and its value; nothing where that is nothing."""
    return f"{name} {shlex.quote(value)}" if value else ""


def evaluated_files(wildcards):
    """The manifests that an evaluation reads, and the exact motion where it takes that and there is any."""
    evaluation = evaluated_of(wildcards)
    return manifest_files(evaluation.views) + (truth_of(evaluation.on) if evaluation.declared.truth else [])


def evaluations_of(experiment):
    """The result of each evaluation of an experiment from each of its starts."""
    return [
        EXPERIMENTS[experiment].result(name, start)
        for name, evaluation in EXPERIMENTS[experiment].evaluations.items()
        for start in evaluation.starts
    ]


def results_of(experiment):
    """What an experiment is to leave: numbers for machines, what people look at, and the encoder where there is one."""
    encoder = [f"results/experiments/{experiment}/encoder.safetensors"] * (experiment in WITH_ENCODER)
    return [
        *encoder,
        f"results/experiments/{experiment}/metrics.json",
        f"results/report/experiments/{experiment}/index.html",
    ]


def overview():
    """What the home page shows."""
    return expand("results/experiments/{experiment}/metrics.json", experiment=EXPERIMENTS) + [
        path for dataset in WANTED for path in reports_of(dataset) if path.endswith(".png")
    ]


wildcard_constraints:
    experiment=one_of(EXPERIMENTS),
    grid=one_of(GRIDS),
    evaluation=one_of(EVALUATED),
    start="[A-Za-z0-9_-]+",
