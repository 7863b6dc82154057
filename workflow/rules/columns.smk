# The columns, a rule or two for each stage of the registry: what it reads, makes and takes stands with the stage.
for column_rule in [rule for stage in STAGES.values() for rule in column_rules(stage)]:

    rule:
        name:
            column_rule.name
        input:
            **column_rule.inputs,
        output:
            tar=f"results/{{dataset}}/{column_rule.stage.name}/{{shard}}.tar",
            record=f"results/{{dataset}}/{column_rule.stage.name}/{{shard}}.json",
        log:
            f"logs/{column_rule.stage.name}/{{dataset}}/{{shard}}.log",
        wildcard_constraints:
            dataset=one_of(column_rule.datasets),
        # Frames before further downloads: with keep_videos: no, that makes room.
        priority: int(column_rule.downloaded)
        conda:
            f"{ENVS}/learning.yaml" if column_rule.on_gpu else f"{ENVS}/data.yaml"
        threads: column_rule.stage.threads
        resources:
            **column_rule.resources,
        params:
            **column_rule.params,
        # A shell command is formatted when a job runs, long after this loop: it has nothing of the loop in it.
        shell:
            "python -m pipeline {resources.stage} {input.columns} {resources.plan} --to {output.tar} "
            "--options {params.options:q} --min-success {resources.min_success} {resources.videos} 2> {log}"


# What to ask for by name: `snakemake guidance` makes that column of every dataset that has it, and what it is made from.
for stage in STAGES.values():

    rule:
        name:
            stage.name
        input:
            column(stage.name),
        localrule: True
