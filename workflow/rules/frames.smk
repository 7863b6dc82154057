rule frames_shard:
    output:
        tar="results/{dataset}/frames/{shard}.tar",
        record="results/{dataset}/frames/{shard}.json",
    log:
        "logs/frames/{dataset}/{shard}.log",
    wildcard_constraints:
        dataset=one_of([name for name in BUILT if name not in FROM_WEB]),
    conda:
        "../envs/pipeline.yaml"
    resources:
        min_success=min_success,
        videos="",
    params:
        plan="results/{dataset}/plan.json",
        options=lambda wildcards: stage_options("frames", wildcards.dataset),
        version=STAGES["frames"].version,
        videos=shard_digest,
    shell:
        "python -m pipeline frames {params.plan} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} {resources.videos} 2> {log}"
