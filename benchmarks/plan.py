"""Planning at full size: a dry run over 205,000 video files, as many as CMP took from YFCC100M."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VIDEOS = 205_000
VIDEOS_PER_SHARD = 316
CONFIG = f"""datasets:
  yfcc:
    source:
      kind: videos
      path: videos/**/*.mp4
    videos_per_shard: {VIDEOS_PER_SHARD}
"""


def run() -> list[dict[str, str]]:
    """A row for the seconds and one for the memory of `snakemake --dry-run`."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(VIDEOS):
            path = Path(folder, "videos", f"{number // 1000:03d}", f"{number:06d}.mp4")
            if number % 1000 == 0:
                path.parent.mkdir(parents=True)
            path.touch()
        Path(folder, "config.yaml").write_text(CONFIG)
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
        start = time.perf_counter()
        done = subprocess.run([*command, "--dry-run"], cwd=folder, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    jobs = next(line.split()[1] for line in (done.stdout + done.stderr).splitlines() if line.startswith("total"))
    what = f"dry run, {VIDEOS} videos, {jobs} jobs"
    return [
        {"what": what, "ours": f"{seconds:.0f} s", "peer": "-", "ratio": "-", "reach": "60 s"},
        {"what": "  its memory", "ours": f"{memory:.2f} GiB", "peer": "-", "ratio": "-", "reach": "1 GB"},
    ]
