import subprocess
import sys

import pytest

from common_fate.errors import UserError
from pipeline.columns.flow import create_estimator


def test_the_same_name_and_options_give_the_same_estimator():
    assert create_estimator("dis", preset="fast") is create_estimator("dis", preset="fast")
    assert create_estimator("dis", preset="fast") is not create_estimator("dis", preset="medium")


@pytest.mark.parametrize(
    "name", ["", "liteflownet", "DIS", "dis:", "dis:fast", "ptlflow", "ptlflow:", ":dis", "network:"]
)
def test_a_name_that_is_none_says_which_there_are(name: str):
    with pytest.raises(UserError, match=f"no estimator '{name}': it is 'dis', 'matching', 'network', 'ptlflow:'"):
        create_estimator(name)


def test_a_dis_job_never_loads_torch():
    script = (
        "import sys, numpy as np; from pipeline.columns.flow import STAGE, create_estimator;"
        "create_estimator('dis')(np.zeros((1, 2, 3, 32, 32), np.float32)); STAGE.provenance(STAGE.options());"
        "print([name for name in ('torch', 'ptlflow') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
