# What a cluster is told beside what each rule says of itself.
from contextlib import suppress

# The SLURM executor (2.8) drops jobs that it could put into a larger array later: they never run, and the workflow never
# ends (snakemake/snakemake-executor-plugin-slurm#473). Told that no others are ready, it submits what it is given.
if workflow.is_main_process:
    with suppress(ImportError):
        import snakemake_executor_plugin_slurm as slurm_executor

        setattr(slurm_executor, "pending_jobs_for_rule", lambda dag, name: 0)


def said_of(resource):
    """What the profile says of a resource for all rules; None where it says nothing."""
    said = (workflow.resource_settings.default_resources or {}).get(resource)
    return said and said.raw


# profiles/slurm names the partition with GPUs, or none: then such jobs are jobs as any other.
GPU_PARTITION = said_of("gpu_partition")
WITH_GPUS = GPU_PARTITION != "none"
GPU_JOBS_GO_TO = GPU_PARTITION if GPU_PARTITION and WITH_GPUS else said_of("slurm_partition")
