"""Planning at full size: a dry run over 205,000 video files, as many as CMP took from YFCC100M."""

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
        with Path(folder, "output").open("w+") as output:
            start = time.perf_counter()
            process = subprocess.Popen([*command, "--dry-run"], cwd=folder, stdout=output, stderr=output)
            memory = peak_memory(process)
            seconds = time.perf_counter() - start
            output.seek(0)
            planned = output.read()
    if process.returncode:
        raise RuntimeError(planned)
    jobs = next(line.split()[1] for line in planned.splitlines() if line.startswith("total"))
    what = f"dry run, {VIDEOS} videos, {jobs} jobs"
    return [
        {"what": what, "ours": f"{seconds:.0f} s", "peer": "-", "ratio": "-", "reach": "60 s"},
        {"what": "  its memory", "ours": f"{memory / 2**20:.2f} GiB", "peer": "-", "ratio": "-", "reach": "1 GB"},
    ]


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """Waits for a process; the most memory it had, in KiB, as Linux tells while it runs.

    The resource usage told at its end would count what this process had when it started it.
    """
    peak = 0
    while process.poll() is None:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = max(peak, int(line.split()[1]))
        time.sleep(0.05)
    return peak
