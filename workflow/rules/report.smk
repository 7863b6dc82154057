# What people look at. `snakemake --report report.html` binds it into one file.
report: "../report/workflow.rst"


rule contact_sheet:
    input:
        lambda wildcards: finished(wildcards.dataset),
    output:
        report(
            "results/report/{dataset}/contact_sheet.png",
            caption="../report/contact_sheet.rst",
            category="{dataset}",
            labels={"what": "contact sheet"},
        ),
    log:
        "logs/report/{dataset}/contact_sheet.log",
    conda:
        "../envs/pipeline.yaml"
    params:
        shown=lambda wildcards: "shards/cmp" if DATASETS[wildcards.dataset].views else "frames",
    shell:
        "python -m pipeline show results/{wildcards.dataset}/{params.shown} --to {output} 2> {log}"


rule statistics:
    input:
        lambda wildcards: finished(wildcards.dataset),
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
    conda:
        "../envs/pipeline.yaml"
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
        "../envs/pipeline.yaml"
    params:
        datasets=[f"results/{dataset}" for dataset in WITH_TRUTH],
    shell:
        "python -m pipeline flow-error {params.datasets} --to {output} > {log} 2>&1"
