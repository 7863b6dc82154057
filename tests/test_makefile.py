"""What `make demo` shows of a job that fails."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FAILING = """
rule fails:
    output: "made"
    log: "logs/fails.log"
    shell: "echo this is why > {log}; exit 1"
"""


def test_the_log_of_a_failed_job_is_shown(tmp_path: Path):
    (command,) = re.findall(r"^\t@(snakemake --cores \$\(CORES\).*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    (tmp_path / "Snakefile").write_text(FAILING)
    shutil.copytree(ROOT / "profiles/default", tmp_path / "profiles/default")
    words = shlex.split(command.replace("$(CORES)", "1"))
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "this is why\n" in done.stderr.splitlines(keepends=True), "the line in the log, and not that of the command"
