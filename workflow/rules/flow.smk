rule flow:
    input:
        frames="results/{dataset}/frames/{shard}.tar",
    output:
        tar="results/{dataset}/flow/{shard}.tar",
        record="results/{dataset}/flow/{shard}.json",
    params:
        options=lambda wildcards: stage_options("flow", wildcards.dataset),
        version=STAGES["flow"].version,
    log:
        "logs/flow/{dataset}/{shard}.log",
    resources:
        min_success=min_success,
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline flow {input.frames} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
