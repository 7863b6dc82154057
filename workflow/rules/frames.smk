rule frames:
    input:
        plan=ancient("results/{dataset}/plan.json"),
        catalog=ancient("results/{dataset}/catalog.parquet"),
    output:
        tar="results/{dataset}/frames/{shard}.tar",
        record="results/{dataset}/frames/{shard}.json",
    params:
        options=lambda wildcards: stage_options("frames", wildcards.dataset),
        version=STAGES["frames"].version,
        videos=lambda wildcards: digests(wildcards.dataset)[int(wildcards.shard)],
    log:
        "logs/frames/{dataset}/{shard}.log",
    resources:
        min_success=min_success,
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline frames {input.plan} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
