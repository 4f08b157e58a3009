"""The weights of a package: TorchScript for Java and Python, and a state dict with its network's source.

The trace is made in a process of its own: torch numbers the classes of traced modules through the life of a
process, so only the first trace of a process gives the same bytes for the same model. Debugging records are
left out of the archive: they hold the paths of this machine.
"""

from __future__ import annotations

import inspect
import io
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch

from dlsim_ij.bundles.bundle import load_bundle
from dlsim_ij.networks.native import NativeUNet
from dlsim_ij.processes import map_in_processes

_DEBUGGING = (".debug_pkl", "/traced_inputs.pkl")


@dataclass(frozen=True, slots=True)
class TraceJob:
    """Which model is traced, and with an input of which side."""

    folder: Path
    side_px: int


def trace_weights(job: TraceJob) -> bytes:
    """Return a model as TorchScript, the same bytes for the same model and torch.

    Raises
    ------
    ModelError
        The model cannot be loaded.
    """
    return next(map_in_processes(_trace, [job], 1))


def _trace(job: TraceJob) -> bytes:
    """Trace in float32 and plain memory layout, whatever `load_model` would choose for this machine."""
    bundle = load_bundle(job.folder)
    network = bundle.create().requires_grad_(False)
    example = torch.zeros(1, bundle.card.in_channels, job.side_px, job.side_px)
    with warnings.catch_warnings():
        # torch recommends torch.export, which deepImageJ cannot read; loops over weights may be fixed
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, (example,), check_trace=False)  # type: ignore[no-untyped-call]
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer)
    return _without_debugging(buffer.getvalue())


def _without_debugging(archive: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as whole, zipfile.ZipFile(buffer, "w") as kept:
        for name in whole.namelist():
            if not name.endswith(_DEBUGGING) and "/traced_inputs/" not in name:
                kept.writestr(zipfile.ZipInfo(name), whole.read(name))
    return buffer.getvalue()


def has_own_source(network: torch.nn.Module) -> bool:
    """Whether the file of the network's class needs nothing but torch, so that it can be shipped."""
    return isinstance(network, NativeUNet)


def network_source(network: torch.nn.Module) -> str:
    """Return the source file of the network's class."""
    module = inspect.getmodule(type(network))
    assert module is not None
    return inspect.getsource(module)


def state_dict(network: torch.nn.Module) -> bytes:
    """Return the network's tensors as torch saves them, readable by its restricted reader."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def torch_version() -> str:
    """Return torch's version without its build, as the zoo writes it."""
    return torch.__version__.partition("+")[0]
