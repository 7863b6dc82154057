# What people look at. `snakemake --report report.html` binds it into one file.
report: "../report/workflow.rst"


rule contact_sheet:
    input:
        lambda wildcards: finished(wildcards.dataset),
    output:
        report(
            "results/report/{dataset}/contact_sheet_{shown}.png",
            caption="../report/contact_sheet.rst",
            category="{dataset}",
            labels={"what": "contact sheet: {shown}"},
        ),
    log:
        "logs/report/{dataset}/contact_sheet_{shown}.log",
    wildcard_constraints:
        dataset=one_of(DATASETS),
    conda:
        f"{ENVS}/data.yaml"
    params:
        folder=lambda wildcards: f"shards/{wildcards.shown}" if wildcards.shown in VIEWS else wildcards.shown,
    shell:
        "python -m pipeline show results/{wildcards.dataset}/{params.folder} --to {output} 2> {log}"


rule statistics:
    input:
        lambda wildcards: finished(wildcards.dataset) + truth_of([wildcards.dataset]),
    output:
        columns=report(
            "results/report/{dataset}/columns.html",
            caption="../report/statistics.rst",
            category="{dataset}",
            labels={"what": "columns and views"},
        ),
        shards=report(
            "results/report/{dataset}/shards.html",
            caption="../report/statistics.rst",
            category="{dataset}",
            labels={"what": "shards"},
        ),
        failures=report(
            "results/report/{dataset}/failures.html",
            caption="../report/statistics.rst",
            category="{dataset}",
            labels={"what": "failures"},
        ),
    log:
        "logs/report/{dataset}/statistics.log",
    wildcard_constraints:
        dataset=one_of(DATASETS),
    conda:
        f"{ENVS}/data.yaml"
    params:
        folder="results/report/{dataset}",
    shell:
        "python -m pipeline stats results/{wildcards.dataset} --to {params.folder} > {log} 2>&1"


rule flow_error:
    input:
        [
            f"results/{dataset}/{column}/{shard}.tar"
            for dataset in WITH_TRUTH
            for column in ("flow", "truth")
            for shard in shards_of(dataset)
        ],
    output:
        report(
            "results/report/flow_error.html",
            caption="../report/flow_error.rst",
            category="All datasets",
            labels={"what": "flow error"},
        ),
    log:
        "logs/report/flow_error.log",
    conda:
        f"{ENVS}/data.yaml"
    params:
        datasets=[f"results/{dataset}" for dataset in WITH_TRUTH],
    shell:
        "python -m pipeline flow-error {params.datasets} --to {output} > {log} 2>&1"


rule experiment_report:
    input:
        "results/experiments/{experiment}/train.json",
        "results/experiments/{experiment}/curves.csv",
        evaluations=lambda wildcards: evaluations_of(wildcards.experiment),
    output:
        metrics="results/experiments/{experiment}/metrics.json",
        page=report(
            "results/report/experiments/{experiment}/index.html",
            caption="../report/experiment.rst",
            category="Experiments",
            labels={"experiment": "{experiment}"},
        ),
    log:
        "logs/report/experiments/{experiment}.log",
    conda:
        f"{ENVS}/learning.yaml"
    params:
        folder="results/report/experiments/{experiment}",
        evaluations=lambda wildcards, input: [f"--evaluation {path}" for path in input.evaluations],
    shell:
        "python -m trainers report results/experiments/{wildcards.experiment} {params.evaluations} "
        "--to {params.folder} > {log} 2>&1"


rule grid_report:
    input:
        lambda wildcards: expand("results/experiments/{experiment}/metrics.json", experiment=GRIDS[wildcards.grid]),
    output:
        report(
            "results/report/experiments/{grid}/index.html",
            caption="../report/grid.rst",
            category="Experiments",
            labels={"experiment": "{grid}: comparison"},
        ),
    log:
        "logs/report/experiments/{grid}.log",
    conda:
        f"{ENVS}/learning.yaml"
    params:
        experiments=lambda wildcards: [EXPERIMENTS[name].folder for name in GRIDS[wildcards.grid]],
        folder="results/report/experiments/{grid}",
    shell:
        "python -m trainers compare {params.experiments} --to {params.folder} --title {wildcards.grid} > {log} 2>&1"


rule home:
    input:
        overview(),
    output:
        report(
            "results/report/index.html",
            caption="../report/home.rst",
            category="All at once",  # the report has its categories in alphabetical order
            labels={"what": "the best pictures and numbers"},
        ),
    log:
        "logs/report/home.log",
    conda:
        f"{ENVS}/data.yaml"
    shell:
        "python -m trainers home {input} --to {output} > {log} 2>&1"
