"""``dlsim doctor``: the environment, check by check."""

from __future__ import annotations

from typing import Any

import click

from dlsim_ij.cli import options


@click.command(epilog="Example: dlsim doctor --fiji ~/Fiji.app")
@options.engine
@options.common
def command(engine: str, fiji_path: str | None, as_json: bool) -> int:
    """Explain this environment: what works, what is missing, what to install.

    Starts no Java. Exit code 1 if the main job could not run; Java is not needed for it.
    """
    from dlsim_ij.fiji.doctor import Check, examine, main_job_can_run

    checks = [*examine(engine, fiji_path), _models(Check), _worker(Check)]
    ready = main_job_can_run(checks)
    text = "\n".join([*_table(checks), "", *_advice(checks, ready)])
    options.print_result({"checks": [check.to_dict() for check in checks]}, as_json, text)
    return 0 if ready else 1


def _models(check: Any) -> Any:
    """Look whether the shipped models are there; that room is none of Fiji's business."""
    from dlsim_ij.bundles import shipped_names

    names = list(shipped_names())
    if not names:
        return check(name="models", status="error", detail="none found", hint="install the package again")
    return check(name="models", status="ok", detail=", ".join(map(str, names)))


def _worker(check: Any) -> Any:
    """Look whether a warm worker runs, and whether calls from here would use it."""
    import dlsim_ij
    from dlsim_ij.errors import WorkerError
    from dlsim_ij.worker import background, place

    try:
        told = background.status(place.Place())
    except WorkerError as error:
        return check(name="worker", status="warning", detail=error.message, hint=error.hint)
    if told is None:
        return check(name="worker", status="ok", detail="none runs; dlsim serve --background starts one")
    detail = (
        f"process {told['pid']} at {told['address']}, {told['done']} jobs done, "
        f"models loaded: {', '.join(told['models']) or 'none'}"
    )
    if (told["version"], told["package"]) != (dlsim_ij.__version__, place.PACKAGE):
        return check(
            name="worker", status="warning", hint="dlsim serve --stop, then start it again",
            detail=f"{detail}; it is dlsim {told['version']} in {told['package']} and not used from here",
        )  # fmt: skip
    return check(name="worker", status="ok", detail=detail)


def _table(checks: list[Any]) -> list[str]:
    width = max(len(check.name) for check in checks)
    signs = {"ok": "ok     ", "warning": "WARNING", "error": "ERROR  "}
    return [f"{check.name:<{width}}  {signs[check.status]}  {check.detail}" for check in checks]


def _advice(checks: list[Any], ready: bool) -> list[str]:
    lines = ["The main job can run." if ready else "The main job cannot run."]
    return lines + [f"{check.name}: {check.hint}" for check in checks if check.hint]
