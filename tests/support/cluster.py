"""A real SLURM on this machine, from Debian's packages: two nodes, each with a GPU that is none, and accounting.

All its files are in one folder, but for those of /etc/slurm, where its commands look for them.

    python tests/support/cluster.py FOLDER    # runs until interrupted

It needs root, munge, slurm-wlm, slurmdbd and mariadb-server (`make test-slurm` installs what is missing).
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = (
    "setpriv",
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
    "sacctmgr",
)
NODES = ("node1", "node2")
# Snakemake's jobs drop the variable SLURM_CONF.
CONFIG = Path("/etc/slurm/slurm.conf")
MARK = "# Made by tests/support/cluster.py.\n"

# proctrack/linuxproc and task/none work without control groups. Jobs over their memory are found by looking at them.
# A requeued job waits as long as a credential is good for (cred_expire, by default two minutes).
CLUSTER = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={slurmctld}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=20
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={slurmdbd}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
AccountingStorageEnforce=associations
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=2
OverTimeLimit=0
InactiveLimit=0
MinJobAge=300
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 RealMemory=64000 Gres=gpu:1"
ACCOUNTING = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={slurmdbd}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
"""


def missing() -> str:
    """Why no cluster can be started here; empty where one can."""
    if os.geteuid() != 0:
        return "starting SLURM needs root"
    if CONFIG.exists() and not CONFIG.read_text().startswith(MARK):
        return f"this machine has a SLURM of its own: {CONFIG}"
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    return f"not installed: {', '.join(lacking)}: run make test-slurm" if lacking else ""


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """A running cluster, with an account `lab` and the partitions `cpu`, `gpu` and `urgent`, whose jobs preempt others.

    It is stopped when the block ends.
    """
    ports = _free_ports(2 + len(NODES))
    names = {"folder": folder, "host": socket.gethostname(), "slurmctld": ports[0], "slurmdbd": ports[1]}
    nodes = [NODE.format(name=name, host=names["host"], port=port) for name, port in zip(NODES, ports[2:], strict=True)]
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = MARK + CLUSTER.format(**names, nodes="\n".join(nodes))
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    with ExitStack() as stack:

        def start(*command: str) -> None:
            stack.enter_context(_daemon(command, folder))

        stack.enter_context(_file(CONFIG, config))
        stack.enter_context(_file(CONFIG.with_name("slurmdbd.conf"), MARK + ACCOUNTING.format(**names)))
        stack.enter_context(_file(CONFIG.with_name("gres.conf"), MARK + "Name=gpu File=/dev/null\n"))

        start(
            *("munged", "--foreground", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket"),
            *(
                f"--pid-file={folder}/munged.pid",
                f"--log-file={folder}/munged.log",
                f"--seed-file={folder}/munged.seed",
            ),
        )
        _wait("munge", "--no-input", f"--socket={folder}/munge.socket")
        database = (f"--datadir={folder}/mariadb", "--user=root")
        login = "--auth-root-authentication-method=normal"
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["mariadb-install-db", "--no-defaults", *database, login, "--skip-test-db"], **quiet)
        door = f"--socket={folder}/mariadb.socket"
        start("mariadbd", "--no-defaults", *database, "--skip-networking", door)
        _wait("mariadb-admin", "--no-defaults", door, "ping")
        start("slurmdbd", "-D")
        _wait("sacctmgr", "-i", "list", "cluster")
        for what in (("cluster", "test"), ("account", "lab"), ("user", "root", "account=lab")):
            subprocess.run(["sacctmgr", "-i", "add", *what], **quiet)
        start("slurmctld", "-D")
        for node in NODES:
            start("slurmd", "-D", "-N", node)
        _wait("srun", "--nodes=2", "--ntasks=2", "--account=lab", "true")
        try:
            yield
        finally:  # or they would live on without a cluster
            subprocess.run(["scancel", "--user=root", "--signal=KILL", "--full"], capture_output=True)
            subprocess.run(["scancel", "--user=root"], capture_output=True)
            time.sleep(2)


@contextmanager
def _file(path: Path, text: str) -> Iterator[None]:
    """A file that only this cluster's user may read; it is removed when the block ends."""
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    try:
        yield
    finally:
        path.unlink()


@contextmanager
def _daemon(command: Sequence[str], folder: Path) -> Iterator[None]:
    # slurmdbd finds its database by this variable only.
    environment = os.environ | {"MYSQL_UNIX_PORT": f"{folder}/mariadb.socket"}
    with (folder / f"{command[0]}.log").open("ab") as log:
        # With setpriv it ends with this process, however that ends.
        mortal = ["setpriv", "--pdeathsig", "TERM", *command]
        process = subprocess.Popen(mortal, stdout=log, stderr=log, env=environment)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(*command: str, seconds: float = 60) -> None:
    """Waits until a command succeeds."""
    end = time.monotonic() + seconds
    while (done := subprocess.run(command, capture_output=True, text=True)).returncode:
        if time.monotonic() > end:
            raise RuntimeError(f"{' '.join(command)} does not answer: {done.stderr.strip()}")
        time.sleep(0.5)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    if reason := missing():
        sys.exit(f"error: {reason}")
    place = Path(sys.argv[1]).resolve()
    place.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit())
    with cluster(place):
        print("SLURM runs", flush=True)
        signal.pause()
