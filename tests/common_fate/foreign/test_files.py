import os
import re
from pathlib import Path

import pytest

from common_fate.foreign.files import open_file


def test_what_is_no_regular_file_is_called_so(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(OSError, match=r"^not a regular file$"):
            open_file(path)


def test_a_file_that_is_missing_is_the_systems_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "none"))):
        open_file(tmp_path / "none")
