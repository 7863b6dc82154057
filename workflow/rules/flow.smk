rule flow_shard:
    input:
        frames="results/{dataset}/frames/{shard}.tar",
    output:
        tar="results/{dataset}/flow/{shard}.tar",
        record="results/{dataset}/flow/{shard}.json",
    log:
        "logs/flow/{dataset}/{shard}.log",
    wildcard_constraints:
        dataset=one_of([name for name in DATASETS if name not in ON_GPU]),
    conda:
        "../envs/pipeline.yaml"
    resources:
        min_success=min_success,
    params:
        options=lambda wildcards: stage_options("flow", wildcards.dataset),
        version=STAGES["flow"].version,
    shell:
        "python -m pipeline flow {input.frames} --to {output.tar} --options {params.options:q} "
        "--min-success {resources.min_success} 2> {log}"


use rule flow_shard as flow_shard_on_gpu with:
    wildcard_constraints:
        dataset=one_of(ON_GPU),
    resources:
        min_success=min_success,
        gpu=int(WITH_GPUS),
        slurm_partition=GPU_JOBS_GO_TO,
