rule guidance_shard:
    input:
        flow="results/{dataset}/flow/{shard}.tar",
    output:
        tar="results/{dataset}/guidance/{shard}.tar",
        record="results/{dataset}/guidance/{shard}.json",
    log:
        "logs/guidance/{dataset}/{shard}.log",
    conda:
        "../envs/pipeline.yaml"
    resources:
        min_success=min_success,
    params:
        options=lambda wildcards: stage_options("guidance", wildcards.dataset),
        version=STAGES["guidance"].version,
    shell:
        "python -m pipeline guidance {input.flow} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
