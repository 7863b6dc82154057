rule truth_shard:
    input:
        frames="results/{dataset}/frames/{shard}.tar",
    output:
        tar="results/{dataset}/truth/{shard}.tar",
        record="results/{dataset}/truth/{shard}.json",
    log:
        "logs/truth/{dataset}/{shard}.log",
    conda:
        "../envs/pipeline.yaml"
    resources:
        min_success=min_success,
    params:
        plan="results/{dataset}/plan.json",
        options=lambda wildcards: stage_options("truth", wildcards.dataset),
        version=STAGES["truth"].version,
    shell:
        "python -m pipeline truth {input.frames} {params.plan} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
