"""A Slurm cluster of two nodes on this machine, from Debian's packages, while a test runs.

Everything is in the test's folder except the link /etc/slurm/slurm.conf. It is needed because the
executor does not pass on the environment variable that would name another file.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

CONF = Path("/etc/slurm/slurm.conf")
DAEMONS = ("munged", "slurmctld", "slurmd", "srun")
PARTITION = "pair"

TEMPLATE = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={root}/munge.socket
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
MpiDefault=none
MinJobAge=600
KillWait=30
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={port1} CPUs=2 RealMemory=30000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={port2} CPUs=2 RealMemory=30000
PartitionName={partition} Nodes=n1,n2 Default=YES MaxTime=UNLIMITED State=UP
"""


def missing() -> str | None:
    """Why a cluster cannot run here; None if it can."""
    absent = [name for name in DAEMONS if not shutil.which(name)]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurm-wlm and munge)"
    if os.geteuid() != 0:
        return "its daemons run as root"
    if CONF.exists() and not _ours():
        return f"{CONF} is there: this machine belongs to a cluster"
    return None


def _ours() -> bool:
    """Whether the file is a link that a killed test left."""
    return CONF.is_symlink()


@contextmanager
def cluster(root: Path) -> Iterator[None]:
    """Slurm with the idle nodes n1 and n2; all of its processes end with the block."""
    root.chmod(0o755)
    (root / "state").mkdir()
    _configure(root)
    with ExitStack() as stack:
        stack.callback(CONF.unlink)
        _munge(root, stack)
        _daemon(root, stack, "slurmctld", "-D")
        for node in ("n1", "n2"):
            _daemon(root, stack, "slurmd", "-D", "-N", node)
        stack.callback(_no_jobs)
        wait(lambda: slurm("sinfo", "-h", "-o", "%T %D") == "idle 2", 30, "two idle nodes")
        yield


def slurm(*command: str) -> str:
    """The output of a Slurm command; empty if it fails."""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def _configure(root: Path) -> None:
    ports = _free_ports(3)
    conf = root / "slurm.conf"
    conf.write_text(
        TEMPLATE.format(
            host=socket.gethostname().split(".")[0],
            root=root,
            partition=PARTITION,
            controller_port=ports[0],
            port1=ports[1],
            port2=ports[2],
        )
    )
    CONF.parent.mkdir(exist_ok=True)
    CONF.unlink(missing_ok=True)
    CONF.symlink_to(conf)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _munge(root: Path, stack: ExitStack) -> None:
    key = root / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    files = {"key": key, "socket": root / "munge.socket"}
    files |= {f"{name}-file": root / f"munge.{name}" for name in ("pid", "log", "seed")}
    options = [f"--{name.replace('key', 'key-file')}={path}" for name, path in files.items()]
    _daemon(root, stack, "munged", "--foreground", "--force", *options)
    wait(files["socket"].exists, 15, "munged")


def _daemon(root: Path, stack: ExitStack, *command: str) -> None:
    with open(root / "daemons.log", "ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def end() -> None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)


def _no_jobs() -> None:
    """End all running jobs, so that no process outlives its node."""
    if slurm("squeue", "-h"):
        slurm("scancel", "--user=root", "--full", "--signal=KILL")
        slurm("scancel", "--user=root")
        wait(lambda: not slurm("squeue", "-h"), 30, "the end of all jobs")


def wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until the condition holds. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
