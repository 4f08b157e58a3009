"""One input in a worker: what the verb does on it, and what came of it.

A worker keeps its model and its ImageJ from input to input. Nothing that goes wrong with an input leaves this
module as an exception.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlsim_ij.batch_job.content import content_sha256, touched
from dlsim_ij.batch_job.manifest import stored_bytes
from dlsim_ij.batch_job.task import Task
from dlsim_ij.config import read_parameters
from dlsim_ij.errors import DlsimError, NoRoomError

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput

Do = Callable[["ImageInput"], tuple[list[Path], list[str]]]
OnMain = Callable[[Callable[[], Any]], Any]

NO_ROOM = "no room"  # a state of outcomes alone: the input can be done, but not now

_ready: tuple[Task, Do] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one input; see `dlsim_ij.batch_job.manifest.Row`."""

    state: str
    error: str = ""
    content_sha256: str = ""
    touched: str = ""
    seconds: float = 0.0
    worker: str = ""
    outputs: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


def do_input(item: ImageInput, task: Task, on_main: OnMain = lambda call: call()) -> Outcome:
    """Do one input of a batch, in whatever process this is.

    Its outputs are replaced if they exist: whoever plans a batch knows that they are the batch's own.

    Parameters
    ----------
    item : ImageInput
    task : Task
    on_main : callable
        Calls a function in the main thread, where Java must start, and returns its value.
    """
    start = time.perf_counter()
    told: dict[str, Any] = {"worker": f"{socket.gethostname()}:{os.getpid()}"}
    try:
        # signs first: a change while the bytes are read shows as a difference next time
        told["touched"] = touched(item.path)
        told["content_sha256"] = content_sha256(item.path)
        files, warnings = _prepared(task, on_main)(item)
        told |= {
            "state": "done",
            "outputs": tuple(file.relative_to(task.output).as_posix() for file in files),
            "sizes": tuple(stored_bytes(file) for file in files),
            "warnings": tuple(warnings),
        }
    except NoRoomError as error:
        told |= {"state": NO_ROOM, "error": str(error)}
    except DlsimError as error:
        told |= {"state": "failed", "error": str(error)}
    except Exception as error:
        told |= {"state": "failed", "error": _unforeseen(error)}
    return Outcome(**told, seconds=round(time.perf_counter() - start, 3))


def _unforeseen(error: Exception) -> str:
    from dlsim_ij.torch_device import is_out_of_memory

    if is_out_of_memory(error):
        return "memory was used up. Hint: fewer --workers, or smaller --tile-px"
    return f"this is a bug of dlsim: {type(error).__name__}: {error}"


def _prepared(task: Task, on_main: OnMain) -> Do:
    """Return the work of a verb with its model loaded, the same as last time if the task is."""
    global _ready
    import torch

    torch.set_num_threads(task.threads)  # holds for the calling thread alone, so it is said each time
    if _ready is None or _ready[0] != task:
        do = {"run": _run, "predict": _predict, "recon": _recon}[task.verb](task, on_main)
        if task.post_macro is not None:
            from dlsim_ij.batch_job.post_macro import with_macro

            do = with_macro(do, task, on_main)
        _ready = task, do
    return _ready[1]


def _run(task: Task, on_main: OnMain) -> Do:
    from dlsim_ij.fiji import Fiji
    from dlsim_ij.inference import load_model
    from dlsim_ij.run_job import run_input

    settings = dict(task.settings)
    known = read_parameters(settings.pop("parameters_file"))
    loaded = load_model(settings.pop("model"))
    fiji = Fiji(engine=settings.pop("engine"), path=settings.pop("fiji_path"))
    on_main(fiji.start)

    def do(item: ImageInput) -> tuple[list[Path], list[str]]:
        described = fiji.describe()
        engine = {"name": described["engine"], **{k: v for k, v in described.items() if k != "engine"}}
        result = run_input(
            item, task.output, model=loaded, calibration=known, overwrite=True, threads=task.threads,
            resize=fiji.resize, other=fiji.open if fiji.name == "fiji" else None, engine=engine,
            command=task.command(item), **settings,
        )  # fmt: skip
        record = task.output / item.subfolder / f"{item.name}_run.json"
        return [*map(Path, result["outputs"].values()), record], result["warnings"]

    return do


def _predict(task: Task, on_main: OnMain) -> Do:
    from dlsim_ij.inference import load_model
    from dlsim_ij.predict_job import check_request, predict_input, predict_outputs

    settings = dict(task.settings)
    known = read_parameters(settings.pop("parameters_file"))
    batchnorm, denoiser = settings.pop("batchnorm"), settings.pop("denoiser")
    loaded = load_model(settings.pop("model"), batchnorm=batchnorm, ensemble=settings.pop("ensemble"))
    first = None if denoiser is None else load_model(denoiser, batchnorm=batchnorm)
    uncertainty, ome_zarr = settings.pop("uncertainty"), settings.pop("ome_zarr")
    check_request(loaded, first, uncertainty, task.given)

    def do(item: ImageInput) -> tuple[list[Path], list[str]]:
        paths = predict_outputs(
            task.output, item, uncertainty, settings["ome"], ome_zarr=ome_zarr, block_px=settings["block_px"]
        )
        _, warnings = predict_input(
            item, paths, model=loaded, denoiser=first, calibration=known, threads=task.threads,
            overwrite=True, **settings,
        )  # fmt: skip
        return [*paths.values()], warnings

    return do


def _recon(task: Task, on_main: OnMain) -> Do:
    from dlsim_ij.recon_job import ReconRequest, recon_input, recon_outputs
    from dlsim_ij.reconstruction import FILTERS

    settings = dict(task.settings)
    file, preset = settings.pop("parameters_file"), settings.pop("preset")
    wanted = {field.name for field in dataclasses.fields(FILTERS[preset])} & set(settings)
    own = {name: settings.pop(name) for name in wanted}
    request = ReconRequest(
        preset=preset, known=read_parameters(file), known_path=file, save_parameters=None,
        filter=dataclasses.replace(FILTERS[preset], **{k: v for k, v in own.items() if v is not None}),
        optics_given=bool({"na", "emission_nm"} & set(task.given)), threads=task.threads, overwrite=True,
        **settings,
    )  # fmt: skip

    def do(item: ImageInput) -> tuple[list[Path], list[str]]:
        paths = recon_outputs(task.output, item, request.with_widefield, request.ome)
        _, warnings = recon_input(item, paths, request)
        return [*paths.values()], warnings

    return do
