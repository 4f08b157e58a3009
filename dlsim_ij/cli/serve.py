"""``dlsim serve``: the warm worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.errors import ConfigError, WorkerError

if TYPE_CHECKING:
    from dlsim_ij.worker.place import WorkerFile


@click.command(epilog="Example: dlsim serve --background --model sim15")
@click.option(
    "--idle-minutes", type=click.FloatRange(0), default=30, show_default=True, metavar="N",
    help="Leave when there was nothing to do for so long; 0: never.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="PORT",
    help="On the loopback interface (default: one that is free).",
)  # fmt: skip
@click.option("--model", "models", multiple=True, metavar="NAME", help="Load it at once; may be repeated.")
@click.option("--java", is_flag=True, help="Start ImageJ at once too, the one of --engine and --fiji.")
@click.option("--background", is_flag=True, help="Come back as soon as the worker can be used.")
@click.option("--status", "wish", flag_value="status", help="Tell of the worker that runs; 1 if none does.")
@click.option("--stop", "wish", flag_value="stop", help="End the worker that runs.")
@options.engine
@options.common
def command(
    idle_minutes: float,
    port: int,
    models: tuple[str, ...],
    java: bool,
    background: bool,
    wish: str | None,
    engine: str,
    fiji_path: str | None,
    as_json: bool,
) -> int:
    """Keep models and Java loaded: later calls use this worker by themselves.

    One worker serves one user on one machine, on the loopback interface, one job after the other. Ctrl-C,
    --stop or time without work end it. A call with --no-worker, or with DLSIM_WORKER=off, does without it.
    """
    from dlsim_ij.worker import background as outside
    from dlsim_ij.worker.place import Place

    if wish == "status":
        told = outside.status(Place())
        options.print_result(told or {"running": False}, as_json, _text(told))
        return 0 if told else 1
    if wish == "stop":
        stopped = outside.stop(Place())
        row = {"stopped": stopped is not None, "pid": stopped.pid if stopped else None}
        options.print_result(row, as_json, f"stopped process {stopped.pid}" if stopped else "no worker runs")
        return 0
    if not java and engine != "auto":
        raise ConfigError("--engine says which Java is started at once", "add --java")
    if java and engine == "none":
        raise ConfigError("--java starts an ImageJ, --engine none has none", "leave one of them away")

    def tell(worker: WorkerFile) -> None:
        text = f"worker {worker.pid} at {worker.address}"
        options.print_result({"address": worker.address, "pid": worker.pid}, as_json, text)

    if background:
        if Place().worker_lives():
            raise WorkerError("a worker runs already", "dlsim serve --status tells of it, --stop ends it")
        words = [f"--idle-minutes={idle_minutes}", f"--port={port}", *(f"--model={name}" for name in models)]
        if java:
            words += ["--java", f"--engine={engine}"]
        tell(outside.start(Place(), words if fiji_path is None else [*words, f"--fiji={fiji_path}"]))
        return 0
    try:
        from dlsim_ij.worker.serve import Plan, serve
    except ModuleNotFoundError as error:
        raise WorkerError(
            f"the worker needs the package {error.name}",
            f"pip install {error.name}, or install dlsim-ij again",
        ) from error
    plan = Plan(
        idle_minutes=idle_minutes, port=port, models=models,
        java={"engine": engine, "path": fiji_path} if java else None,
    )  # fmt: skip
    serve(plan, ready=tell)
    return 0


def _text(told: dict[str, Any] | None) -> str:
    if told is None:
        return "no worker runs"
    job = told["job"]
    doing = f"dlsim {' '.join(job['arguments'])} ({job['seconds']} s)" if job else "nothing"
    models = ", ".join(told["models"]) or "none"
    return "\n".join(
        [
            f"worker {told['pid']} (dlsim {told['version']}) at {told['address']}",
            f"jobs done {told['done']}, waiting {told['waiting']}, now {doing}",
            f"models loaded: {models}; Java {'runs' if told['java'] else 'does not run'}",
            f"log: {told['log']}",
        ]
    )
