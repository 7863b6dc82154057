# What measures a training. The method's options are a resource: an evaluation depends on what of them shapes it, which is
# a parameter, and on the weights.
rule evaluate:
    input:
        evaluated_files,
        weights=lambda wildcards: experiment_of(wildcards).weights(wildcards.evaluation, wildcards.start) or [],
    output:
        "results/experiments/{experiment}/evaluations/{evaluation}/{start}.json",
    log:
        "logs/evaluate/{experiment}/{evaluation}/{start}.log",
    conda:
        f"{ENVS}/learning.yaml"
    threads: threads_of
    resources:
        launcher=launcher,
        workers=workers_of,
        process_threads=process_threads,
        gpu=gpus,
        slurm_partition=GPU_JOBS_GO_TO,
        mem_mb=memory_of,
        runtime=minutes_of,
        method_options=lambda wildcards: as_json(experiment_of(wildcards).options),
    params:
        evaluation=lambda wildcards: evaluated_of(wildcards).evaluation,
        views=lambda wildcards: evaluated_of(wildcards).views,
        method=lambda wildcards: experiment_of(wildcards).method,
        shaping=lambda wildcards: as_json(experiment_of(wildcards).shaping(wildcards.evaluation, wildcards.start)),
        weights=lambda wildcards: flag(
            "--weights", experiment_of(wildcards).weights(wildcards.evaluation, wildcards.start)
        ),
        options=lambda wildcards: as_json(evaluated_of(wildcards).options),
        side=lambda wildcards: evaluated_of(wildcards).side,
        split=lambda wildcards: as_json(
            experiment_of(wildcards).split if evaluated_of(wildcards).side == "held out" else {}
        ),
        version=lambda wildcards: evaluated_of(wildcards).declared.version,
    shell:
        "{resources.launcher} trainers evaluate {params.evaluation} {params.views} --method {params.method} "
        "--method-options {resources.method_options:q} --start {wildcards.start} {params.weights} "
        "--options {params.options:q} --side {params.side:q} --split {params.split:q} --to {output} "
        "--workers {resources.workers} --threads {resources.process_threads} > {log} 2>&1"
