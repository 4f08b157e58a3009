"""A plain job script for sites that allow nothing but arrays of independent jobs."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence

from dlsim_ij.batch_job.resources import Resources, System

_MARK = {"slurm": "#SBATCH", "pbs": "#PBS", "sge": "#$"}
_NUMBER = {"slurm": "SLURM_ARRAY_TASK_ID", "pbs": "PBS_ARRAY_INDEX", "sge": "SGE_TASK_ID"}
_SUBMIT = {"slurm": "sbatch", "pbs": "qsub", "sge": "qsub"}


def array_script(system: System, parts: int, words: Sequence[str], resources: Resources, logs: str) -> str:
    """Return a script whose every job does one part of a batch.

    Parameters
    ----------
    system : {"slurm", "pbs", "sge"}
    parts : int
        Jobs of the array.
    words : sequence of str
        What stands behind ``dlsim``, without ``--part``.
    resources : Resources
    logs : str
        Folder for what the jobs print.
    """
    mark = _MARK[system]
    # PBS refuses an array of one
    part = "1/1" if system == "pbs" and parts == 1 else f'"${{{_NUMBER[system]}}}/{parts}"'
    header = [f"{mark} {line}" for line in (*_header(system, parts, resources, logs), *resources.directives)]
    command = shlex.join([sys.executable, "-m", "dlsim_ij", *words])
    lines = [
        "#!/bin/bash",
        *header,
        "",
        f"# {parts} jobs, each for every {parts}-th input; hand it in again, and only what is left is done.",
        *resources.prologue,
        # a queueing system may tell the shell alone that time is up; with exec the shell is the batch
        f"exec {command} --part {part}",
    ]
    return "\n".join(lines) + "\n"


def submit_command(system: System, script: str) -> str:
    """Return the line that hands a script in."""
    return shlex.join([_SUBMIT[system], script])


def _header(system: System, parts: int, asked: Resources, logs: str) -> list[str]:
    memory = _mebibytes(asked.memory)
    if system == "slurm":
        lines = [
            "--job-name=dlsim-batch", f"--array=1-{parts}", f"--output={logs}/%a.log",
            f"--cpus-per-task={asked.cores}", f"--mem={memory}M", f"--time={asked.walltime}",
        ]  # fmt: skip
        lines += [f"--partition={asked.queue}"] if asked.queue else []
        lines += [f"--account={asked.account}"] if asked.account else []
    elif system == "pbs":
        lines = ["-N dlsim-batch", *([f"-J 1-{parts}"] if parts > 1 else []), "-j oe", f"-o {logs}/"]
        lines += [
            f"-l select=1:ncpus={asked.cores}:mem={memory}mb",
            f"-l walltime={_without_days(asked.walltime)}",
        ]
        lines += [f"-q {asked.queue}"] if asked.queue else []
        lines += [f"-A {asked.account}"] if asked.account else []
    else:
        lines = [
            "-N dlsim-batch", f"-t 1-{parts}", "-j y", f"-o {logs}/$TASK_ID.log", "-S /bin/bash",
            f"-l h_vmem={-(-memory // asked.cores)}M",  # of each slot, and -pe asks for one slot a core
            f"-l h_rt={_without_days(asked.walltime)}",
        ]  # fmt: skip
        lines += [f"-pe smp {asked.cores}"] if asked.cores > 1 else []
        lines += [f"-q {asked.queue}"] if asked.queue else []
        lines += [f"-P {asked.account}"] if asked.account else []
    return lines


def _mebibytes(memory: str) -> int:
    """Return whole MiB, which all three know; the systems' K, M, G and T are powers of 1024.

    >>> _mebibytes("1.5GB"), _mebibytes("8 GiB")
    (1536, 8192)
    """
    number, unit = re.findall(r"[\d.]+|[kKMGT]", memory)
    return max(1, round(float(number) * 1024.0 ** ("kMGT".index(unit.replace("K", "k")) - 1)))


def _without_days(walltime: str) -> str:
    """Return hours, minutes, seconds, as PBS and SGE know no days.

    >>> _without_days("1-12:00:00")
    '36:00:00'
    """
    days, _, rest = walltime.rpartition("-")
    hours, minutes, seconds = rest.split(":")
    return f"{24 * int(days or 0) + int(hours)}:{minutes}:{seconds}"
