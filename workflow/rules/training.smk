# Experiments: training on the views, and what measures it. How many devices, workers and threads there are changes no
# result, so they are resources, which redo nothing. The run itself (checkpoints) is in runs/ beside the outputs: Snakemake
# does not know it, so a job that is killed, or runs out of time, goes on where it stopped.
rule train:
    input:
        trained_on,
    output:
        "results/experiments/{experiment}/model.safetensors",
        "results/experiments/{experiment}/encoder.safetensors",
        "results/experiments/{experiment}/curves.csv",
        "results/experiments/{experiment}/train.json",
    log:
        "logs/train/{experiment}.log",
    wildcard_constraints:
        experiment=one_of([name for name in EXPERIMENTS if name not in ON_NODES]),
    conda:
        "../envs/pipeline.yaml"
    threads: training_threads
    resources:
        launcher=launcher,
        workers=lambda wildcards: experiment_of(wildcards).workers,
        process_threads=lambda wildcards, threads: max(1, threads // experiment_of(wildcards).devices),
        gpu=gpus,
        slurm_partition=GPU_JOBS_GO_TO,
        mem_mb=lambda wildcards, attempt: 16000 * experiment_of(wildcards).devices * attempt,
    params:
        method=lambda wildcards: experiment_of(wildcards).method,
        views=lambda wildcards: experiment_of(wildcards).views,
        validate=lambda wildcards: [f"--validate {view}" for view in experiment_of(wildcards).validation_views],
        options=lambda wildcards: options_of(experiment_of(wildcards)),
        version=lambda wildcards: METHODS[experiment_of(wildcards).method].version,
        folder="results/experiments/{experiment}",
    shell:
        "{resources.launcher} trainers {params.method} train {params.views} {params.validate} "
        "--options {params.options:q} --to {params.folder} "
        "--workers {resources.workers} --threads {resources.process_threads} > {log} 2>&1"


use rule train as train_on_nodes with:
    wildcard_constraints:
        experiment=one_of(ON_NODES),
    resources:
        launcher=launcher_on_nodes,
        workers=lambda wildcards: experiment_of(wildcards).workers,
        process_threads=lambda wildcards, threads: max(1, threads // experiment_of(wildcards).devices),
        mpi="srun",  # the job starts its tasks itself
        nodes=lambda wildcards: experiment_of(wildcards).nodes,
        tasks=lambda wildcards: experiment_of(wildcards).nodes,
        tasks_per_gpu=0,
        gres=lambda wildcards: f"gpu:{gpus(wildcards)}" if WITH_GPUS else None,
        slurm_partition=GPU_JOBS_GO_TO,
        mem_mb=lambda wildcards, attempt: 16000 * experiment_of(wildcards).devices * attempt,


rule evaluate:
    input:
        model="results/experiments/{experiment}/model.safetensors",
        manifests=lambda wildcards: manifest_files(experiment_of(wildcards).evaluated_views),
        truth=lambda wildcards: truth_of(experiment_of(wildcards).evaluated),
    output:
        flow="results/experiments/{experiment}/flow.json",
        pictures=report(
            "results/experiments/{experiment}/samples.png",
            caption="../report/samples.rst",
            category="Experiments",
            labels={"experiment": "{experiment}", "what": "samples"},
        ),
    log:
        "logs/evaluate/{experiment}.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 8
    resources:
        gpu=int(WITH_GPUS),
        slurm_partition=GPU_JOBS_GO_TO,
    params:
        method=lambda wildcards: experiment_of(wildcards).method,
        views=lambda wildcards: experiment_of(wildcards).evaluated_views,
        side=lambda wildcards: experiment_of(wildcards).side,
    shell:
        "python -m trainers {params.method} evaluate {input.model} {params.views} --side {params.side:q} "
        "--to {output.flow} --pictures {output.pictures} > {log} 2>&1"


rule segmentation:
    input:
        checkpoint_of,
    output:
        "results/experiments/{experiment}/segmentation/{start}.json",
    log:
        "logs/segmentation/{experiment}/{start}.log",
    conda:
        "../envs/pipeline.yaml"
    threads: training_threads
    resources:
        launcher=launcher,
        workers=lambda wildcards: experiment_of(wildcards).workers,
        process_threads=lambda wildcards, threads: max(1, threads // experiment_of(wildcards).devices),
        gpu=gpus,
        slurm_partition=GPU_JOBS_GO_TO,
        mem_mb=lambda wildcards, attempt: 16000 * experiment_of(wildcards).devices * attempt,
    params:
        encoder=lambda wildcards: experiment_of(wildcards).segmentation.encoder,
        start=lambda wildcards: experiment_of(wildcards).segmentation.starts[wildcards.start],
        weights=lambda wildcards: f"--weights {checkpoint_of(wildcards)}" if wildcards.start == "encoder" else "",
        options=lambda wildcards: options_of(experiment_of(wildcards).segmentation),
        version=SEGMENTATION_VERSION,
    shell:
        "{resources.launcher} trainers segmentation --encoder {params.encoder} --start {params.start:q} "
        "{params.weights} --options {params.options:q} --to {output} "
        "--workers {resources.workers} --threads {resources.process_threads} > {log} 2>&1"
