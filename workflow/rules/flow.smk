rule flow_shard:
    input:
        frames="results/{dataset}/frames/{shard}.tar",
    output:
        tar="results/{dataset}/flow/{shard}.tar",
        record="results/{dataset}/flow/{shard}.json",
    log:
        "logs/flow/{dataset}/{shard}.log",
    conda:
        "../envs/pipeline.yaml"
    resources:
        min_success=min_success,
    params:
        options=lambda wildcards: stage_options("flow", wildcards.dataset),
        version=STAGES["flow"].version,
    shell:
        "python -m pipeline flow {input.frames} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
