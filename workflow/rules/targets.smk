# What to ask for by name: `snakemake guidance` makes that column of every dataset that has it, and what it is made from.
localrules:
    downloads,
    frames,
    flow,
    guidance,
    regions,
    superpixels,
    truth,
    masks,
    shards,
    experiments,
    report,


rule downloads:
    input:
        all_downloads,


rule frames:
    input:
        column("frames"),


rule flow:
    input:
        column("flow"),


rule guidance:
    input:
        column("guidance"),


rule regions:
    input:
        column("regions"),


rule superpixels:
    input:
        column("superpixels"),


rule truth:
    input:
        column("truth"),


rule masks:
    input:
        column("masks"),


rule shards:
    input:
        [manifests_of(dataset) for dataset in WANTED],


rule experiments:
    input:
        [results_of(experiment) for experiment in EXPERIMENTS],
        expand("results/report/experiments/{grid}/index.html", grid=GRIDS),


rule report:
    input:
        [reports_of(dataset) for dataset in WANTED],
        "results/report/flow_error.html" if WANTED and WITH_TRUTH else [],
