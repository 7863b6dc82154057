# What to ask for by name. The columns' targets stand with their rules.
localrules:
    downloads,
    shards,
    experiments,
    report,


rule downloads:
    input:
        all_downloads,


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
