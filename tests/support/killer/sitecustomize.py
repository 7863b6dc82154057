"""Every Python that starts with this folder on its path runs this first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.support.strikes import strike_as_planned

sys.path.pop(0)
strike_as_planned()
