# Helpers of the rules that train, evaluate and report: the checked experiments, and what each of their jobs is asked.
import json
import os
import shlex
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from common_fate.datasets.catalog import read_catalog
from common_fate.shards.record import Record, record_path
from trainers.experiments import check_data, grids, load as load_experiments
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
        ours = made_by_experiments(STAGES[name], dataset)
        for path in DATASETS[dataset].weights(name):
            if str(path) not in ours and not path.exists():
                raise UserError(f"{CONFIG_FILE}: datasets.{dataset}.{name}: there is no file '{path}'")


def flow_stands(dataset):
    """Whether all of a dataset's flow is there, made with the options of today: by the records of two of its shards."""
    options = DATASETS[dataset].options("flow")
    shards = expand_shards("flow", [dataset])
    weights = Path(options["checkpoint"] or "")
    own = len(weights.parts) > 1 or "." in weights.name  # a file, not a published name
    if not all(map(os.path.exists, shards)) or (own and not weights.exists()):
        return False
    try:
        return all(Record.read(record_path(Path(shard))).options == options for shard in {*shards[:1], *shards[-1:]})
    except UserError:
        return False


def check_flow(dataset):
    """Refuses an estimator that is not there, or whose weights are not, before Snakemake deletes the flow that stands.
    ptlflow takes seconds to say, in a process of its own, so it is asked where flow is to be made, and on a machine
    that has it.
    """
    options = DATASETS[dataset].options("flow")
    made = made_by_experiments(STAGES["flow"], dataset) or flow_stands(dataset)
    if made or not STAGES["flow"].gpu(DATASETS[dataset].stages["flow"]) or not find_spec("ptlflow"):
        return
    weights = ["--checkpoint", options["checkpoint"]] if options["checkpoint"] else []
    folder = ["--checkpoint-dir", options["checkpoint_dir"]]
    command = [sys.executable, "-m", "pipeline", "check-estimator", options["estimator"], *weights, *folder]
    said = subprocess.run(command, capture_output=True, text=True)
    if said.returncode:
        refuse(f"{CONFIG_FILE}: datasets.{dataset}.flow: {said.stderr.strip().removeprefix('error: ')}")


def is_trained(experiment):
    """Whether its network is there, trained with the options of today."""
    try:
        options = json.loads(Path(experiment.folder, "train.json").read_text())["options"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return options == experiment.options and Path(experiment.folder, "model.safetensors").exists()


def check_groups():
    """Refuses `training.groups` that the network has no parameters for, before Snakemake deletes the network that stands.
    Torch takes seconds to say, in a process of its own, so it is asked where there are groups and a network is to be
    trained with them, and on a machine that has it. What a teacher that is still to be trained teaches is not known.
    """
    asked = {
        one.where: {"method": one.method, "options": one.options, "teacher": one.teacher}
        for one in EXPERIMENTS.values()
        if one.options["training"]["groups"] and not is_trained(one) and Path(one.teacher or ".").exists()
    }
    if asked and find_spec("torch"):
        command = [sys.executable, "-m", "trainers", "check-groups"]
        said = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True)
        if said.returncode:
            refuse(said.stderr.strip().removeprefix("error: "))


if workflow.is_main_process:
    try:
        for dataset in BUILT:
            check_weights(dataset)
            if "flow" in DATASETS[dataset].columns:
                check_flow(dataset)
        for experiment in EXPERIMENTS.values():
            videos = list(dict.fromkeys(video for dataset in experiment.train for video in videos_of(dataset)))
            check_videos(videos, **experiment.split, where=experiment.where)
            check_data(experiment)
        check_groups()
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
def gpus_there():
    """How many GPUs jobs find: None where the profile or another executor knows."""
    executor = workflow.executor_plugin
    here = workflow.is_main_process and GPU_JOBS_GO_TO is None and executor and executor.common_settings.local_exec
    return 0 if not WITH_GPUS else gpus_here() if here else None


def manifest_files(views):
    return [f"{view}/samples.parquet" for view in views]


def trained_on(wildcards):
    """The manifests that a training reads; refused where the machine has not what it asks for."""
    experiment = experiment_of(wildcards)
    if experiment.nodes > 1 and not shutil.which("srun"):
        refuse(f"{experiment.where}.nodes: several nodes need SLURM, and there is no srun")
    if experiment.devices > 1 and (there := gpus_there()) is not None and there < experiment.devices:
        where = "this machine has" if WITH_GPUS else "by gpu_partition of the profile, jobs have"
        refuse(
            f"{experiment.where}.devices is {experiment.devices}, and {where} {there} GPUs: should be {max(1, there)}"
        )
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


def minutes_of(wildcards, attempt):
    return (1440 if evaluated_of(wildcards).declared.trains else 240) * attempt


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
    """What an experiment is to leave: the network, how it came about, numbers for machines, what people look at, and the
    encoder where there is one. Snakemake makes again what is missing of what it is asked for, and of nothing else.
    """
    files = ["model.safetensors", "curves.csv", "train.json", "metrics.json"]
    files += ["encoder.safetensors"] * (experiment in WITH_ENCODER)
    return [
        *(f"results/experiments/{experiment}/{name}" for name in files),
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
