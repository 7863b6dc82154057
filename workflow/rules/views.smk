rule view_shard:
    input:
        lambda wildcards: expand(
            "results/{dataset}/{column}/{shard}.tar",
            dataset=wildcards.dataset,
            column=VIEWS[wildcards.view].columns,
            shard=wildcards.shard,
        ),
    output:
        tar="results/{dataset}/shards/{view}/{shard}.tar",
        record="results/{dataset}/shards/{view}/{shard}.json",
    log:
        "logs/view/{dataset}/{view}/{shard}.log",
    conda:
        f"{ENVS}/data.yaml"
    params:
        version=lambda wildcards: VIEWS[wildcards.view].version,
    shell:
        "python -m pipeline view {wildcards.view} {input} --to {output.tar} 2> {log}"


rule manifest:
    input:
        lambda wildcards: with_records(f"shards/{wildcards.view}", [wildcards.dataset]),
    output:
        "results/{dataset}/shards/{view}/samples.parquet",
        "results/{dataset}/shards/{view}/shards.parquet",
        "results/{dataset}/shards/{view}/videos.parquet",
        "results/{dataset}/shards/{view}/_info.json",
        "results/{dataset}/shards/{view}/sizes.json",
        "results/{dataset}/shards/{view}/croissant.json",
        "results/{dataset}/shards/{view}/README.md",
        "results/{dataset}/shards/{view}/SHA256SUMS",
    log:
        "logs/manifest/{dataset}/{view}.log",
    conda:
        f"{ENVS}/data.yaml"
    params:
        folder="results/{dataset}/shards/{view}",
        plan="results/{dataset}/plan.json",
        known=known_of_videos,
    shell:
        "python -m pipeline manifest {params.folder} --plan {params.plan} 2> {log}"
