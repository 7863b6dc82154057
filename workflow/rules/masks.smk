rule masks_shard:
    input:
        frames="results/{dataset}/frames/{shard}.tar",
    output:
        tar="results/{dataset}/masks/{shard}.tar",
        record="results/{dataset}/masks/{shard}.json",
    log:
        "logs/masks/{dataset}/{shard}.log",
    conda:
        "../envs/pipeline.yaml"
    resources:
        min_success=min_success,
    params:
        plan="results/{dataset}/plan.json",
        options=lambda wildcards: stage_options("masks", wildcards.dataset),
        version=STAGES["masks"].version,
    shell:
        "python -m pipeline masks {input.frames} {params.plan} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
