# The checked configuration, and what every rule needs.
import os
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)
# The rules call `python -m pipeline` with the interpreter and the code that this Snakemake runs from, wherever it runs.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
    PYTHONPATH=os.pathsep.join(filter(None, [workflow.basedir, os.environ.get("PYTHONPATH")])),
)

from pipeline.config.load import load
from pipeline.config.read_yaml import check_keys
from common_fate.errors import UserError

# `--report` fills wildcards into a rule's environment, also where braces belong to the path of this checkout.
ENVS = "../envs"
if set("{}") & set(workflow.basedir):
    ENVS = os.path.join(workflow.basedir, "workflow", "envs").replace("{", "{{").replace("}", "}}")


def refuse(error):
    """Ends with one line, not a traceback: it is for the user to put right."""
    sys.exit(f"error: {error}")


def one_of(names):
    """A wildcard's constraint: these names and no others."""
    return "|".join(names) or "(?!)"


def check_files():
    """Refuses what this project's own reader does not take, before Snakemake reads it."""
    try:
        for file in workflow.overwrite_configfiles or ["config.yaml"]:
            check_keys(Path(os.path.relpath(file)))
    except UserError as error:
        refuse(error)


if workflow.is_main_process:
    check_files()

if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


CONFIG_FILE = os.path.relpath(workflow.overwrite_configfiles[-1]) if workflow.overwrite_configfiles else "config.yaml"
try:
    DATASETS = load(config, CONFIG_FILE)
except UserError as error:
    refuse(error)
