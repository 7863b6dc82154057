rule regions_shard:
    input:
        frames="results/{dataset}/frames/{shard}.tar",
    output:
        tar="results/{dataset}/regions/{shard}.tar",
        record="results/{dataset}/regions/{shard}.json",
    log:
        "logs/regions/{dataset}/{shard}.log",
    conda:
        "../envs/pipeline.yaml"
    resources:
        min_success=min_success,
    params:
        options=lambda wildcards: stage_options("regions", wildcards.dataset),
        version=STAGES["regions"].version,
    shell:
        "python -m pipeline regions {input.frames} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
