"""``dlsim batch``: many inputs, each done once."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.batch_progress import Progress
from dlsim_ij.cli.batch_verb import read_verb
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from dlsim_ij.batch_job.job import BatchResult
    from dlsim_ij.batch_job.resources import System
    from dlsim_ij.batch_job.task import Task
    from dlsim_ij.images import ImageInput

_LOGS = "batch_logs"
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def _bytes(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    told = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?i?)b?", value.strip().lower())
    if told is None or told[2] not in _SIZES or not float(told[1]):
        raise click.BadParameter(f"'{value}' is no amount of memory such as 4GB or 4GiB")
    return int(float(told[1]) * _SIZES[told[2]])


def _part(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    told = re.fullmatch(r"(\d+)/(\d+)", value)
    if told is None or not 1 <= int(told[1]) <= int(told[2]):
        raise click.BadParameter(f"'{value}' is not K/N with K from 1 to N")
    return int(told[1]), int(told[2])


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Example: dlsim batch raw_folder -o results --workers 4 --model sim15 --pixel-size 0.06",
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="INPUT... [VERB OPTIONS]")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Output folder.")
@click.option(
    "--verb", type=click.Choice(["run", "predict", "recon"]), default="run", show_default=True,
    help="What is done with each input; all options of that verb can be given.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1), metavar="N",
    help="Processes on this machine (default: as many as it has cores and memory for).",
)  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, metavar="N",
    help="Threads of each worker. With another number, results differ in their last digits.",
)  # fmt: skip
@click.option(
    "--memory-limit", callback=_bytes, metavar="SIZE",
    help="Memory of each worker on this machine, such as 4GB (default: 90 % of the machine's, divided).",
)  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="Use the workers of a Dask scheduler that runs.")
@click.option(
    "--cluster", type=click.Choice(["local", "slurm", "pbs", "sge"]), default="local", show_default=True,
    help="Hand in jobs to this queueing system (--jobs), or write a script for it (--array).",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Jobs to hand in to --cluster (default: 1)."
)
@click.option(
    "--array", "array_parts", type=click.IntRange(1), metavar="N",
    help="Do nothing but write DIR/dlsim_array.sh: a plain array of N jobs for SLURM, or for --cluster.",
)  # fmt: skip
@click.option(
    "--resources", type=options.ExistingPath, metavar="FILE",
    help="What each job asks for: a YAML file, see docs/batch.md.",
)  # fmt: skip
@click.option(
    "--part", callback=_part, metavar="K/N",
    help="Only every N-th input from the K-th on; N such calls may run at the same time.",
)  # fmt: skip
@click.option(
    "--resume/--no-resume", default=True, show_default=True,
    help="Skip what is done with the same content and parameters, or do everything anew.",
)  # fmt: skip
@click.option("--retry-failed", is_flag=True, help="Do failed inputs again, although nothing has changed.")
@click.option(
    "--attempts", type=click.IntRange(1), default=3, show_default=True, metavar="N",
    help="Workers that an input may take with it before it counts as failed.",
)  # fmt: skip
@click.option(
    "--grace", type=click.FloatRange(0), default=20.0, show_default=True, metavar="SECONDS",
    help="After Ctrl-C or SIGTERM, inputs that were begun may go on this long.",
)  # fmt: skip
@click.option(
    "--post-macro", type=options.ExistingPath, metavar="FILE.ijm",
    help="Then run this macro with each input's outputs, in the worker's ImageJ.",
)  # fmt: skip
@click.option("--report", is_flag=True, help="At the end, build one report of all (with --verb run).")
@options.only
@options.overwrite
@options.dry_run
@options.common
def command(
    words: tuple[str, ...],
    output: Path,
    verb: str,
    workers: int | None,
    threads: int,
    memory_limit: int | None,
    scheduler: str | None,
    cluster: Literal["local", "slurm", "pbs", "sge"],
    jobs: int | None,
    array_parts: int | None,
    resources: Path | None,
    part: tuple[int, int] | None,
    resume: bool,
    retry_failed: bool,
    attempts: int,
    grace: float,
    post_macro: Path | None,
    report: bool,
    only: str | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Many inputs on many processes or machines: each done once, whatever happens.

    INPUTs are as for `dlsim run`, and any option of the verb can be given. DIR/manifest.csv says what
    became of each input; the same command again does what is left or has changed, and nothing else.
    """
    from dlsim_ij.batch_job.plan import batch_inputs
    from dlsim_ij.batch_job.post_macro import read_macro
    from dlsim_ij.batch_job.task import make_task
    from dlsim_ij.images import expand_inputs

    if report and (verb != "run" or part is not None or array_parts is not None):
        raise ConfigError(
            "--report is for --verb run and for a whole batch",
            "leave it out, or call dlsim report at the end",
        )
    if array_parts is not None and not resume:
        raise ConfigError(
            "--no-resume is not for --array, whose script is handed in again to do what is left",
            "give another -o, or remove the outputs",
        )
    system: System | None = None if cluster == "local" else cluster
    _check_engine(scheduler, system, jobs, array_parts, resources, workers or memory_limit, part)
    asked = read_verb(verb, words, output)
    items = batch_inputs(expand_inputs(asked.inputs, only=only), output, part)
    task = make_task(
        verb, asked.settings, output, threads=threads, given=asked.given, flags=asked.flags,
        post_macro=None if post_macro is None else read_macro(post_macro),
    )  # fmt: skip
    if dry_run:
        return _show_plan(
            items, task, part, as_json, resume=resume, retry_failed=retry_failed, overwrite=overwrite
        )
    if array_parts is not None:
        own = {"--attempts": attempts, "--grace": grace, "--threads": threads}
        how = [word for name, value in own.items() for word in (name, str(value))]
        how += [
            word for word, wanted in (("--retry-failed", retry_failed), ("--overwrite", overwrite)) if wanted
        ]
        how += [] if post_macro is None else ["--post-macro", str(post_macro.absolute())]
        how += [] if only is None else ["--only", only]
        where = [str(path.absolute()) for path in asked.inputs]
        words_of_part = ["batch", *where, "-o", str(task.output), "--verb", verb, *how, *asked.flags]
        return _write_array(system or "slurm", array_parts, words_of_part, resources, task.output, as_json)
    from dlsim_ij.batch_job import engines
    from dlsim_ij.batch_job.job import do_batch
    from dlsim_ij.batch_job.stopping import Stop

    engines.require_dask()
    engine: Any
    if scheduler is not None:
        engine = functools.partial(engines.scheduler_engine, scheduler)
    elif system is not None:
        from dlsim_ij.batch_job.resources import read_resources

        engine = functools.partial(
            engines.queue_engine, system, jobs or 1, threads, read_resources(resources), task.output / _LOGS
        )
    else:
        number = min(workers or engines.default_workers(threads), max(1, len(items)))
        engine = functools.partial(engines.local_engine, number, threads, memory_limit)
    with Stop(grace) as stop, Progress(options.show_progress(), stop) as progress:
        result = do_batch(
            items, task, engine, stop=stop, tell=progress.tell, part=part, resume=resume,
            retry_failed=retry_failed, overwrite=overwrite, attempts=attempts, report=report,
        )  # fmt: skip
    options.print_result(result.to_dict(), as_json, _text(result))
    if stop.signal is not None:
        click.echo(
            f"interrupted: {result.left} inputs are left, nothing is half written; the same command goes on",
            err=True,
        )
        return stop.exit_code
    return 1 if result.failed else 0


def _check_engine(
    scheduler: str | None,
    cluster: str | None,
    jobs: int | None,
    array_parts: int | None,
    resources: Path | None,
    of_this_machine: int | None,
    part: tuple[int, int] | None,
) -> None:
    """Refuse options that contradict each other."""
    if scheduler is not None and (of_this_machine or cluster):
        raise ConfigError(
            "--workers, --memory-limit and --cluster make workers, --scheduler has its own",
            "give one of the two",
        )
    if cluster is not None and of_this_machine:
        raise ConfigError(
            "--workers and --memory-limit are for this machine, not for the jobs of --cluster",
            "say --jobs N, and what each asks for in --resources FILE",
        )
    if (jobs or resources) and cluster is None and array_parts is None:
        raise ConfigError("--jobs and --resources are for the jobs of a queue", "add --cluster, or --array")
    if array_parts is not None and (part or jobs or scheduler or of_this_machine):
        raise ConfigError("--array only writes a script", "give --cluster and --resources with it, no others")


def _write_array(
    system: System, parts: int, words: list[str], resources: Path | None, output: Path, as_json: bool
) -> int:
    """Write the script of a job array and say how it is handed in."""
    from dlsim_ij.batch_job.array_script import array_script, submit_command
    from dlsim_ij.batch_job.resources import read_resources
    from dlsim_ij.files import make_folder, write_text

    asked = read_resources(resources)
    logs = make_folder(make_folder(output) / _LOGS)
    words = [*words, "--workers", str(asked.workers_per_job)]
    script = output / "dlsim_array.sh"
    write_text(script, array_script(system, parts, words, asked, str(logs)), overwrite=True)
    line = submit_command(system, str(script))
    options.print_result({"script": str(script), "submit": line, "parts": parts}, as_json, line)
    return 0


def _text(result: BatchResult) -> str:
    lines = [f"{result.done} done, {result.failed} failed, {result.skipped} skipped: {result.manifest}"]
    if result.report is not None:
        lines.append(str(result.report))
    return "\n".join(lines)


def _show_plan(
    items: list[ImageInput], task: Task, part: tuple[int, int] | None, as_json: bool, **how: bool
) -> int:
    """Print what a call would do, and why."""
    from dlsim_ij.batch_job.manifest import look
    from dlsim_ij.batch_job.plan import make_plan

    plan = make_plan(items, task, look(task.output), **how)
    for planned in plan.todo:
        row = {"input": str(planned.item.path), "state": "to do", "why": planned.why, "dry_run": True}
        options.print_result(row, as_json, f"{planned.item.path}: to do, {planned.why}")
    for state, keys in (("done", plan.done), ("failed", plan.failed)):
        for key in keys:
            options.print_result({"item": key, "state": state, "dry_run": True}, as_json, f"{key}: {state}")
    return 0
