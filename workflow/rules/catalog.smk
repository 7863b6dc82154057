# The plan only ever grows or loses videos, so it is updated in place, and what is made from it asks for its own shard's
# digest rather than for a newer plan.
rule catalog:
    output:
        plan=update("results/{dataset}/plan.json"),
        catalog=update("results/{dataset}/catalog.parquet"),
    params:
        folder="results/{dataset}",
        source=lambda wildcards: json.dumps(config["datasets"][wildcards.dataset]["source"]),
        videos_per_shard=lambda wildcards: DATASETS[wildcards.dataset].videos_per_shard,
        videos=lambda wildcards: digests(wildcards.dataset),
    log:
        "logs/catalog/{dataset}.log",
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline catalog {params.folder} --source {params.source:q} "
        "--videos-per-shard {params.videos_per_shard} 2> {log}"
