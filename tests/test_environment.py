"""What is written down twice about versions agrees."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split(";")[0].strip().split("==") for line in lines if "==" in line.split("#")[0]]
    return dict(pins)


def test_conda_environments_have_the_versions_of_the_lock():
    for path in (ROOT / "workflow/envs").glob("*.yaml"):
        (pip,) = [entry["pip"] for entry in yaml.safe_load(path.read_text())["dependencies"] if isinstance(entry, dict)]
        for pin in pip:
            name, version = pin.split("==")
            assert locked()[name] == version, path.name


def test_the_lock_pins_everything_and_names_no_index():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert not [line for line in text.splitlines() if line and line[0] not in " #" and "==" not in line]
