"""What is declared of methods: that it is true, and cheap to read."""

import subprocess
import sys
from dataclasses import fields

import pytest

from trainers.declarations import Evaluation, Method, entry_point
from trainers.engine.options import TrainingOptions, build
from trainers.engine.task import Task
from trainers.models.layer_names import LAYERS
from trainers.page.serve import all_tools
from trainers.registry import EVALUATIONS, METHODS


def test_the_registry_imports_no_torch():
    """Snakemake reads it in every job."""
    code = "import sys, trainers.registry; assert not {'torch', 'lightning', 'timm'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_is_what_it_declares(method: Method):
    assert METHODS[method.name] is method
    assert issubclass(entry_point(method.task), Task)
    assert "training" in {field.name for field in fields(method.options)}
    for recipe in ({}, *method.recipes.values()):
        options = build(method.options, recipe)
        assert isinstance(options.training, TrainingOptions)
        encoder = method.encoder_for(options)
        assert encoder is None or encoder in LAYERS
    if method.apps:
        assert entry_point(method.apps).registered_commands


@pytest.mark.parametrize("evaluation", EVALUATIONS.values(), ids=EVALUATIONS)
def test_what_an_evaluation_names_is_there(evaluation: Evaluation):
    for where in filter(None, (evaluation.run, evaluation.check)):
        assert callable(entry_point(where))


def test_the_parts_of_the_page_have_a_name_each_and_files():
    tools = all_tools()
    assert len({tool.name for tool in tools}) == len(tools) == 5
    assert all((tool.static / "tool.js").is_file() for tool in tools)
