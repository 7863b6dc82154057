# The front door: what `all` is. Configuration is checked here, before any job; the rules are in workflow/rules.
from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/slurm.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/catalog.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/columns.smk"
include: "workflow/rules/views.smk"
include: "workflow/rules/experiments.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/targets.smk"


rule all:
    default_target: True
    input:
        [columns_of(dataset) + manifests_of(dataset) + reports_of(dataset) for dataset in WANTED],
        rules.report.input,
        rules.experiments.input,
        "results/report/index.html" if WANTED else [],
    localrule: True
