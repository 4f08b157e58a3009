"""What a job of a queueing system asks for: a YAML file, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from dlsim_ij.config import Settings, read_settings

System = Literal["slurm", "pbs", "sge"]
SYSTEMS: tuple[System, ...] = ("slurm", "pbs", "sge")


class Resources(Settings):
    """Resources of each job.

    Attributes
    ----------
    queue, account : str or None
        Partition or queue, and who pays.
    cores : int
        Of each job.
    memory : str
        Of each job, such as "8GB".
    walltime : str
        Hours, minutes, seconds.
    workers_per_job : int
        Processes of each job (``--cluster``) or of each part (``--array``).
    directives : sequence of str
        Further lines of the job's header, without ``#SBATCH``, ``#PBS`` or ``#$``.
    prologue : sequence of str
        Shell lines before the work, such as ``module load java``.
    interface : str or None
        Network by which the workers reach the machine that you call from (``--cluster``).
    local_directory : str or None
        Scratch folder of the machines.
    """

    queue: str | None = None
    account: str | None = None
    cores: int = Field(default=1, ge=1)
    memory: str = Field(default="4GB", pattern=r"^\d+(\.\d+)? ?[kKMGT]i?B?$")
    walltime: str = Field(default="24:00:00", pattern=r"^(\d+-)?\d+:\d\d:\d\d$")
    workers_per_job: int = Field(default=1, ge=1)
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    interface: str | None = None
    local_directory: str | None = None


def read_resources(path: Path | None) -> Resources:
    """Read the file, or return the defaults.

    Raises
    ------
    ConfigError
    """
    return Resources() if path is None else read_settings(path, Resources)
