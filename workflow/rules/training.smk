# Training on the views. How many devices, workers and threads there are changes no result, so they are resources, which
# redo nothing. The run itself (checkpoints) is in runs/ beside the outputs: Snakemake does not know it, so a job that is
# killed, or runs out of time, goes on where it stopped.
rule train:
    input:
        trained_on,
        start=lambda wildcards: experiment_of(wildcards).start or [],
        teacher=lambda wildcards: experiment_of(wildcards).teacher or [],
    output:
        "results/experiments/{experiment}/model.safetensors",
        "results/experiments/{experiment}/curves.csv",
        "results/experiments/{experiment}/train.json",
    log:
        "logs/train/{experiment}.log",
    wildcard_constraints:
        experiment=one_of([name for name in EXPERIMENTS if name not in ON_NODES]),
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
    params:
        method=lambda wildcards: experiment_of(wildcards).method,
        views=lambda wildcards: experiment_of(wildcards).views,
        validate=lambda wildcards: [f"--validate {view}" for view in experiment_of(wildcards).validation_views],
        options=lambda wildcards: as_json(experiment_of(wildcards).options),
        split=lambda wildcards: as_json(experiment_of(wildcards).split),
        start=lambda wildcards: flag("--start", experiment_of(wildcards).start),
        teacher=lambda wildcards: flag("--teacher", experiment_of(wildcards).teacher),
        version=lambda wildcards: experiment_of(wildcards).declared.version,
        folder="results/experiments/{experiment}",
    shell:
        "{resources.launcher} trainers train {params.method} {params.views} {params.validate} "
        "--options {params.options:q} --split {params.split:q} {params.start} {params.teacher} --to {params.folder} "
        "--workers {resources.workers} --threads {resources.process_threads} > {log} 2>&1"


use rule train as train_on_nodes with:
    wildcard_constraints:
        experiment=one_of(ON_NODES),
    resources:
        launcher=launcher_on_nodes,
        workers=workers_of,
        process_threads=process_threads,
        mpi="srun",  # the job starts its tasks itself
        nodes=lambda wildcards: experiment_of(wildcards).nodes,
        tasks=lambda wildcards: experiment_of(wildcards).nodes,
        tasks_per_gpu=0,
        gres=lambda wildcards: f"gpu:{gpus(wildcards)}" if WITH_GPUS else None,
        slurm_partition=GPU_JOBS_GO_TO,
        mem_mb=memory_of,


rule encoder:
    input:
        "results/experiments/{experiment}/model.safetensors",
    output:
        "results/experiments/{experiment}/encoder.safetensors",
    log:
        "logs/encoder/{experiment}.log",
    wildcard_constraints:
        experiment=one_of(WITH_ENCODER),
    conda:
        f"{ENVS}/learning.yaml"
    shell:
        "python -m trainers encoder {input} --to {output} > {log} 2>&1"
