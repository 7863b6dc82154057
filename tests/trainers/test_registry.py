"""What is declared of methods: that it is true, and cheap to read."""

import subprocess
import sys
from dataclasses import fields

import pytest

from trainers.declarations import Method, entry_point
from trainers.engine.options import TrainingOptions, build
from trainers.engine.task import Task
from trainers.registry import METHODS


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
        if method.encoder:
            assert isinstance(method.encoder(options), str)
    if method.apps:
        assert entry_point(method.apps).registered_commands
