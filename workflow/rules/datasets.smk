# Helpers of the datasets' rules: the plans, the columns' jobs, and what each dataset's targets are.
import json
import shlex
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from common_fate.datasets.adopted_record import listing, shard_names
from common_fate.datasets.catalog import (
    about_digest,
    extended,
    not_planned,
    read_catalog,
    read_plan,
    read_planned,
    shard_digests,
    write_listing,
)
from common_fate.shards.files import check_writable
from common_fate.shards.record import file_sha256
from pipeline.registry import STAGES, VIEWS
from pipeline.sources.relisting import note_places, relisted
from pipeline.stages.runner import SOURCE
from pipeline.stages.stage import Stage
from pipeline.upkeep.timestamps import in_order, none_ahead

# The files of an adopted dataset are taken as they are: no rule that makes shards matches its name.
BUILT = [name for name, dataset in DATASETS.items() if not dataset.adopted]

# The videos and plans of the others. Only the main process lists the sources, and asks for targets: the jobs of a
# running workflow, which read this file again, take what it wrote.
WANTED = list(DATASETS) if workflow.is_main_process else []
LISTED = {}
if workflow.is_main_process:
    try:
        for name in BUILT:
            place = Path(f"results/{name}")
            videos = relisted(place, DATASETS[name].videos(), DATASETS[name].source)
            old = read_plan(place / "plan.json")
            plan = extended(old, (video.video for video in videos), DATASETS[name].videos_per_shard)
            note_places(place, videos, plan)
            LISTED[name] = videos, plan
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
    if dataset not in LISTED:
        ids = read_planned(Path(f"results/{dataset}/plan.json"), shard)
        return shard_digests([ids], read_catalog(Path(f"results/{dataset}/catalog.parquet"), ids))[0]
    if shard >= len(digests(dataset)):
        refuse(not_planned(Path(f"results/{dataset}/plan.json"), digests(dataset), shard))
    return digests(dataset)[shard]


def known_of_videos(wildcards):
    """Changes when what is known of a dataset's videos does, so that the manifests are written again."""
    return about_of(wildcards.dataset)


@cache
def about_of(dataset):
    return about_digest(
        LISTED[dataset][0] if dataset in LISTED else read_catalog(Path(f"results/{dataset}/catalog.parquet"))
    )


def options_of_stage(stage):
    """A stage's resolved options as JSON; a change of them reruns the stage and what follows."""
    return lambda wildcards: json.dumps(DATASETS[wildcards.dataset].options(stage.name), sort_keys=True)


def made_by_experiments(stage, dataset):
    """Those of a stage's weights that this workflow trains: it waits for them, and is redone when they are newer."""
    models = [f"results/experiments/{name}/model.safetensors" for name in EXPERIMENTS]
    return [str(path) for path in DATASETS[dataset].weights(stage.name) if str(path) in models]


@cache
def version_of(stage, dataset):
    """A stage's version, and the digests of weights of the user's: other bytes under the same path redo the column."""
    given = {str(path) for path in DATASETS[dataset].weights(stage)} - set(made_by_experiments(STAGES[stage], dataset))
    digests = [file_sha256(Path(path)) if Path(path).is_file() else "missing" for path in sorted(given)]
    return " ".join([str(STAGES[stage].version), *digests]) if digests else STAGES[stage].version


def min_success(wildcards):
    """A resource rather than a parameter, so that lowering it for one failed shard reruns that shard alone."""
    return str(DATASETS[wildcards.dataset].min_success)


# Datasets whose videos are on the web: downloaded before their frames are made.
FROM_WEB = [name for name in BUILT if DATASETS[name].downloading]


def plan_file(wildcards):
    return f"results/{wildcards.dataset}/plan.json"


@dataclass(frozen=True)
class ColumnRule:
    """A rule that makes a stage's column of some datasets. Its jobs ask a cluster for the same, so they go as arrays."""

    stage: Stage
    suffix: str
    datasets: list[str]
    on_gpu: bool = False
    downloaded: bool = False

    @property
    def name(self):
        return f"{self.stage.name}_shard{self.suffix}"

    @property
    def inputs(self):
        columns = [f"results/{{dataset}}/{name}/{{shard}}.tar" for name in self.stage.reads if name != SOURCE]
        more = {"record": "results/{dataset}/videos/{shard}.json"} if self.downloaded else {}
        weights = lambda wildcards: made_by_experiments(self.stage, wildcards.dataset)
        return {"columns": columns, "weights": weights} | more

    @property
    def resources(self):
        """What changes no result, so that another value redoes nothing; of a retry more memory and time."""
        memory, minutes = max(self.stage.memory_mb, 16000 * self.on_gpu), self.stage.minutes * (1 + self.on_gpu)
        return {
            "stage": self.stage.name,
            "plan": plan_file if SOURCE in self.stage.reads else "",
            "videos": of_downloads if self.downloaded else "",
            "min_success": min_success,
            "mem_mb": lambda wildcards, attempt: memory * attempt,
            "runtime": lambda wildcards, attempt: minutes * attempt,
            **({"gpu": int(WITH_GPUS), "slurm_partition": GPU_JOBS_GO_TO} if self.on_gpu else {}),
        }

    @property
    def params(self):
        """A change of these redoes the column."""
        plan = {"plan": "results/{dataset}/plan.json"} if SOURCE in self.stage.reads else {}
        videos = {"videos": shard_digest} if self.stage.reads == (SOURCE,) else {}
        version = lambda wildcards: version_of(self.stage.name, wildcards.dataset)
        return {**plan, "options": options_of_stage(self.stage), "version": version, **videos}


def column_rules(stage):
    """The rules of a stage: one for most datasets, another for those that want a GPU, or whose videos come first."""
    first = stage.reads == (SOURCE,)
    on_gpu = [name for name in BUILT if stage.gpu(DATASETS[name].stages[stage.name])]
    downloaded = FROM_WEB if first else []
    others = [name for name in BUILT if name not in on_gpu and name not in downloaded]
    yield ColumnRule(stage, "", others)
    if first:
        yield ColumnRule(stage, "_of_downloads", downloaded, downloaded=True)
    if on_gpu:
        yield ColumnRule(stage, "_on_gpu", on_gpu, on_gpu=True)


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


def truth_of(datasets):
    """The exact motion, where there is any."""
    return expand_shards("truth", [dataset for dataset in datasets if "truth" in DATASETS[dataset].columns])


wildcard_constraints:
    dataset=one_of(BUILT),
    shard=r"\d{6}",
    view="|".join(VIEWS),
    shown="|".join([*VIEWS, *STAGES]),
