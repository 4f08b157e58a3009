"""A real SLURM of one node in a folder of its own: set up, and taken down whatever happens.

Needs root and Debian's slurm-wlm and munge. Nothing outside the folder is written: munge and SLURM get
settings, keys, sockets and ports of their own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")

CONFIGURATION = """
ClusterName=dlsim
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0
KillWait=30
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Return what is missing to start one."""
    lacks = [name for name in PROGRAMS if shutil.which(name) is None]
    return [*lacks, *([] if os.geteuid() == 0 else ["root"])]


@contextlib.contextmanager
def one_node_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Give the environment in which sbatch, squeue and scancel reach it."""
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge").chmod(0o755)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    told = {
        "host": socket.gethostname().partition(".")[0], "folder": folder, "controller": _free_port(),
        "daemon": _free_port(), "cpus": os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 500,
    }  # fmt: skip
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**told))
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    munge = [
        "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge/socket",
        f"--pid-file={folder}/munge/pid", f"--log-file={folder}/munge/log",
        f"--seed-file={folder}/munge/seed",
    ]  # fmt: skip
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in (munge, ["slurmctld", "-D"], ["slurmd", "-D"]):
            log = open(folder / f"{command[0]}.out", "wb")  # noqa: SIM115
            running.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            log.close()
            time.sleep(1)
        _wait_until_idle(environment, folder)
        yield environment
    finally:
        stop = ["scancel", "--user=root"]
        subprocess.run(stop, env=environment, capture_output=True, timeout=30, check=False)
        for process in reversed(running):
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_idle(environment: dict[str, str], folder: Path) -> None:
    end = time.monotonic() + 60
    while True:
        done = subprocess.run(
            ["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False
        )
        if done.stdout.strip() == "idle":
            return
        if time.monotonic() > end:
            logs = "".join(p.read_text(errors="replace")[-2000:] for p in folder.glob("*.log"))
            raise RuntimeError(f"SLURM did not come up: {done.stdout}{done.stderr}\n{logs}")
        time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
