rule truth:
    input:
        frames="results/{dataset}/frames/{shard}.tar",
        plan=ancient("results/{dataset}/plan.json"),
        catalog=ancient("results/{dataset}/catalog.parquet"),
    output:
        tar="results/{dataset}/truth/{shard}.tar",
        record="results/{dataset}/truth/{shard}.json",
    params:
        options=lambda wildcards: stage_options("truth", wildcards.dataset),
        version=STAGES["truth"].version,
    log:
        "logs/truth/{dataset}/{shard}.log",
    resources:
        min_success=min_success,
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline truth {input.frames} {input.plan} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
