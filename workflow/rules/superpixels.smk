rule superpixels_shard:
    input:
        frames="results/{dataset}/frames/{shard}.tar",
    output:
        tar="results/{dataset}/superpixels/{shard}.tar",
        record="results/{dataset}/superpixels/{shard}.json",
    log:
        "logs/superpixels/{dataset}/{shard}.log",
    conda:
        "../envs/pipeline.yaml"
    resources:
        min_success=min_success,
    params:
        options=lambda wildcards: stage_options("superpixels", wildcards.dataset),
        version=STAGES["superpixels"].version,
    shell:
        "python -m pipeline superpixels {input.frames} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"
