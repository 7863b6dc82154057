rule truth:
    input:
        frames="results/{dataset}/frames/{shard}.tar",
    output:
        tar="results/{dataset}/truth/{shard}.tar",
        record="results/{dataset}/truth/{shard}.json",
    params:
        plan="results/{dataset}/plan.json",
        options=lambda wildcards: stage_options("truth", wildcards.dataset),
        version=STAGES["truth"].version,
    log:
        "logs/truth/{dataset}/{shard}.log",
    resources:
        min_success=min_success,
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline truth {input.frames} {params.plan} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
