"""The configurations of the papers' tables, with small stand-ins for what lies in /data."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.config.load import load as configuration
from trainers.experiments import load

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_table_is_complete_but_for_the_data(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = page.read_text()
    run = f"snakemake all --profile slurm --configfile configs/{page.name}\n"
    assert run in text, "it says how it is run: a word behind the file would be taken for another file"
    for path in sorted(set(re.findall(r"/data/[\w./-]+", text))):
        stand_in = tmp_path / path.removeprefix("/")
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        if stand_in.suffix:
            stand_in.touch()
        else:
            stand_in.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    config = yaml.safe_load(text.replace("/data/", f"{tmp_path}/data/"))
    found = load(config, configuration(config))
    assert found.keys() == config["experiments"].keys()
    for name, experiment in found.items():
        assert experiment.evaluations.keys() == config["experiments"][name]["evaluate"].keys()
        training = [experiment.options["training"]]
        training += [one.options["training"] for one in experiment.evaluations.values() if one.declared.trains]
        for one in training:  # else the job would refuse it, on its machines
            assert one["batch_size"] % (experiment.devices * one["accumulation"]) == 0, (name, one)
