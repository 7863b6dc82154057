# Catalogs and plans are written as a run starts, not by a job. Every shard would have such a job upstream, and Snakemake
# either redoes all shards when the plan grows or, with ancient(), overlooks the new ones. Each shard asks for its own
# digest of the plan instead, in its params.
onstart:
    for dataset, (videos, plan) in LISTED.items():
        try:
            with listing(Path(f"results/{dataset}")):
                write_listing(Path(f"results/{dataset}"), videos, plan)
            check_writable(Path(f"results/{dataset}"))
        except UserError as error:
            refuse(error)
