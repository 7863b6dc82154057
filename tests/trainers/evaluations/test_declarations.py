from dataclasses import fields

import pytest

from pipeline.registry import VIEWS
from trainers.declarations import OWN, Evaluation, entry_point
from trainers.registry import EVALUATIONS, METHODS


@pytest.mark.parametrize("evaluation", EVALUATIONS.values(), ids=list(EVALUATIONS))
def test_an_evaluation_says_what_it_is(evaluation: Evaluation):
    assert callable(entry_point(evaluation.run))
    assert set(evaluation.methods) <= set(METHODS)
    assert evaluation.starts[0] in ("model", "encoder"), "the first start is what was trained here"
    assert all(one.metadata.get("help") for one in fields(evaluation.options))
    assert evaluation.view in (None, OWN, *VIEWS)


def test_methods_are_evaluated_by_what_there_is():
    for method in METHODS.values():
        for name in method.evaluations:
            assert not EVALUATIONS[name].methods or method.name in EVALUATIONS[name].methods
