# Of datasets whose videos are on the web. With keep_videos: no, a change of the frames' options needs the videos again,
# so it has the downloads looked at again: what the store still has is not fetched.
rule download_shard:
    output:
        record="results/{dataset}/videos/{shard}.json",
    log:
        "logs/download/{dataset}/{shard}.log",
    wildcard_constraints:
        dataset=one_of(FROM_WEB),
    conda:
        f"{ENVS}/data.yaml"
    resources:
        min_success=min_success,
        downloading=downloading,
        downloads=1,
    params:
        plan="results/{dataset}/plan.json",
        frames=options_of_stage(STAGES["frames"]),
        frames_version=STAGES["frames"].version,
        videos=shard_digest,
    shell:
        "python -m pipeline download {params.plan} --to {output.record} --downloading {resources.downloading:q} "
        "--min-success {resources.min_success} 2> {log}"
