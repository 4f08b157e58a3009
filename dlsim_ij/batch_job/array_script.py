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
    mark, number = _MARK[system], _NUMBER[system]
    header = [f"{mark} {line}" for line in (*_header(system, parts, resources, logs), *resources.directives)]
    command = shlex.join([sys.executable, "-m", "dlsim_ij", *words])
    lines = [
        "#!/bin/bash",
        *header,
        "",
        f"# {parts} jobs, each for every {parts}-th input; hand it in again, and only what is left is done.",
        *resources.prologue,
        # a queueing system may tell the shell alone that time is up; with exec the shell is the batch
        f'exec {command} --part "${{{number}}}/{parts}"',
    ]
    return "\n".join(lines) + "\n"


def submit_command(system: System, script: str) -> str:
    """Return the line that hands a script in."""
    return shlex.join([_SUBMIT[system], script])


def _header(system: System, parts: int, asked: Resources, logs: str) -> list[str]:
    memory = re.sub(r"[ iB]", "", asked.memory).upper()
    if system == "slurm":
        lines = [
            "--job-name=dlsim-batch", f"--array=1-{parts}", f"--output={logs}/%a.log",
            f"--cpus-per-task={asked.cores}", f"--mem={memory}", f"--time={asked.walltime}",
        ]  # fmt: skip
        lines += [f"--partition={asked.queue}"] if asked.queue else []
        lines += [f"--account={asked.account}"] if asked.account else []
    elif system == "pbs":
        lines = [
            "-N dlsim-batch", f"-J 1-{parts}", "-j oe", f"-o {logs}/",
            f"-l select=1:ncpus={asked.cores}:mem={memory}B", f"-l walltime={asked.walltime}",
        ]  # fmt: skip
        lines += [f"-q {asked.queue}"] if asked.queue else []
        lines += [f"-A {asked.account}"] if asked.account else []
    else:
        lines = [
            "-N dlsim-batch", f"-t 1-{parts}", "-j y", f"-o {logs}/$TASK_ID.log", "-S /bin/bash",
            f"-l h_vmem={memory}", f"-l h_rt={asked.walltime}",
        ]  # fmt: skip
        lines += [f"-pe smp {asked.cores}"] if asked.cores > 1 else []
        lines += [f"-q {asked.queue}"] if asked.queue else []
        lines += [f"-P {asked.account}"] if asked.account else []
    return lines
