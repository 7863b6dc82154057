# Helpers of the rules: the checked configuration, the plans, and what each dataset's targets are.
import json
import os
import shlex
import shutil
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path

sys.path.insert(0, workflow.basedir)
# The rules call `python -m pipeline` with the interpreter and the code that this Snakemake runs from, wherever it runs.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
    PYTHONPATH=os.pathsep.join(filter(None, [workflow.basedir, os.environ.get("PYTHONPATH")])),
)

from common_fate.datasets.adopted import shard_names
from common_fate.datasets.catalog import (
    about_digest,
    extended,
    read_catalog,
    read_plan,
    read_planned,
    shard_digests,
    write_listing,
)
from pipeline.config.load import load
from pipeline.config.read import check_keys
from common_fate.errors import UserError
from pipeline.registry import STAGES, VIEWS
from common_fate.shards.files import check_writable
from pipeline.upkeep.timestamps import in_order, none_ahead

# The SLURM executor (2.8) drops jobs that it could put into a larger array later: they never run, and the workflow never
# ends (snakemake/snakemake-executor-plugin-slurm#473). Told that no others are ready, it submits what it is given.
if workflow.is_main_process:
    with suppress(ImportError):
        import snakemake_executor_plugin_slurm as slurm_executor

        setattr(slurm_executor, "pending_jobs_for_rule", lambda dag, name: 0)


def refuse(error):
    """What the user can put right is one line, not a traceback."""
    sys.exit(f"error: {error}")


CONFIG_FILE = os.path.relpath(workflow.overwrite_configfiles[-1]) if workflow.overwrite_configfiles else "config.yaml"
try:
    if workflow.is_main_process:
        for file in workflow.overwrite_configfiles or ["config.yaml"]:
            check_keys(Path(os.path.relpath(file)))
    DATASETS = load(config, CONFIG_FILE)
except UserError as error:
    refuse(error)


# The files of an adopted dataset are taken as they are: no rule that makes shards matches its name.
BUILT = [name for name, dataset in DATASETS.items() if not dataset.adopted]

# The videos and plans of the others. Only the main process lists the sources, and asks for targets: the jobs of a
# running workflow, which read this file again, take what it wrote.
WANTED = list(DATASETS) if workflow.is_main_process else []
LISTED = {}
if workflow.is_main_process:
    try:
        for name in BUILT:
            videos = DATASETS[name].videos()
            old = read_plan(Path(f"results/{name}/plan.json"))
            LISTED[name] = videos, extended(old, (video.video for video in videos), DATASETS[name].videos_per_shard)
    except UserError as error:
        refuse(error)


@cache
def plan_of(dataset):
    return LISTED[dataset][1] if dataset in LISTED else read_plan(Path(f"results/{dataset}/plan.json"))


@cache
def shards_of(dataset):
    if DATASETS[dataset].adopted:
        return shard_names(Path(f"results/{dataset}"))
    return [f"{number:06d}" for number in range(len(plan_of(dataset)))]


@cache
def digests(dataset):
    videos, plan = LISTED[dataset]
    return shard_digests(plan, videos)


if workflow.is_main_process:
    none_ahead(Path("results"))
    for name in LISTED:
        in_order(Path(f"results/{name}"), DATASETS[name], digests(name))


def shard_digest(wildcards):
    """Changes when the shard's videos do, so that the shard is made again."""
    dataset, shard = wildcards.dataset, int(wildcards.shard)
    if dataset in LISTED:
        return digests(dataset)[shard]
    ids = read_planned(Path(f"results/{dataset}/plan.json"), shard)
    return shard_digests([ids], read_catalog(Path(f"results/{dataset}/catalog.parquet"), ids))[0]


def known_of_videos(wildcards):
    """Changes when what is known of a dataset's videos does, so that the manifests are written again."""
    return about_of(wildcards.dataset)


@cache
def about_of(dataset):
    return about_digest(
        LISTED[dataset][0] if dataset in LISTED else read_catalog(Path(f"results/{dataset}/catalog.parquet"))
    )


def stage_options(stage, dataset):
    """A stage's resolved options as JSON; a change of them reruns the stage and what follows."""
    return json.dumps(DATASETS[dataset].options(stage), sort_keys=True)


def min_success(wildcards):
    """A resource rather than a parameter, so that lowering it for one failed shard reruns that shard alone."""
    return str(DATASETS[wildcards.dataset].min_success)


# Datasets whose videos are on the web: downloaded before their frames are made.
FROM_WEB = [name for name in BUILT if DATASETS[name].downloading]


def downloading(wildcards):
    """How videos are fetched, as JSON. A resource, so that another store or another pace redoes nothing."""
    return json.dumps(asdict(DATASETS[wildcards.dataset].downloading), sort_keys=True)


def of_downloads(wildcards):
    """Where the frames' job finds the videos, and whether they stay."""
    downloads = DATASETS[wildcards.dataset].downloading
    return f"--store {shlex.quote(downloads.store)} --keep-videos {'yes' if downloads.keep_videos else 'no'}"


def downloads_of(datasets):
    """The record of each shard's downloads."""
    return [f"results/{dataset}/videos/{shard}.json" for dataset in datasets for shard in shards_of(dataset)]


def all_downloads(wildcards):
    if not FROM_WEB:
        refuse(f"{CONFIG_FILE}: no dataset has videos on the web: there is nothing to download")
    return downloads_of(FROM_WEB)


def columns_of(dataset):
    """Every shard of every column that the dataset has."""
    return [path for column in DATASETS[dataset].columns for path in with_records(column, [dataset])]


def column(name):
    """Every shard of a column, of all datasets that have it; asked for when it is a target."""

    def shards(wildcards):
        datasets = [dataset for dataset in DATASETS if name in DATASETS[dataset].columns]
        if not datasets:
            refuse(f"{CONFIG_FILE}: no dataset has {name}: give one a view that needs it (docs/configuration.md)")
        return with_records(name, datasets)

    return shards


def expand_shards(column, datasets):
    return [f"results/{dataset}/{column}/{shard}.tar" for dataset in datasets for shard in shards_of(dataset)]


def with_records(column, datasets):
    """Shards and their records: Snakemake misses only what something waits for."""
    tars = expand_shards(column, datasets)
    return tars + [tar.replace(".tar", ".json") for tar in tars]


def manifests_of(dataset):
    """The manifest of each of the dataset's views."""
    return expand("results/{dataset}/shards/{view}/samples.parquet", dataset=dataset, view=DATASETS[dataset].views)


def finished(dataset):
    """What has to be there before a dataset is described: its manifests, or its columns where it has no view."""
    return manifests_of(dataset) or columns_of(dataset)


def reports_of(dataset):
    sheets = [f"contact_sheet_{part}.png" for part in DATASETS[dataset].views or DATASETS[dataset].columns[:1]]
    return [f"results/report/{dataset}/{name}" for name in (*sheets, "columns.html")]


WITH_TRUTH = [name for name, dataset in DATASETS.items() if {"flow", "truth"} <= set(dataset.columns)]


def manifest_files(views):
    return [f"{view}/samples.parquet" for view in views]


def truth_of(datasets):
    """The exact motion, where there is any."""
    return expand_shards("truth", [dataset for dataset in datasets if dataset in WITH_TRUTH])


def said_of(resource):
    """What the profile says of a resource for all rules; None where it says nothing."""
    said = (workflow.resource_settings.default_resources or {}).get(resource)
    return said and said.raw


# profiles/slurm names the partition with GPUs, or none: then such jobs are jobs as any other.
GPU_PARTITION = said_of("gpu_partition")
WITH_GPUS = GPU_PARTITION != "none"
GPU_JOBS_GO_TO = GPU_PARTITION if GPU_PARTITION and WITH_GPUS else said_of("slurm_partition")
ON_GPU = [
    name
    for name, dataset in DATASETS.items()
    if "flow" in dataset.columns and dataset.options("flow")["estimator"].startswith("ptlflow:")
]


def one_of(names):
    """A wildcard's constraint: these names and no others."""
    return "|".join(names) or "(?!)"


wildcard_constraints:
    dataset=one_of(BUILT),
    shard=r"\d{6}",
    view="|".join(VIEWS),
    shown="|".join([*VIEWS, *STAGES]),
