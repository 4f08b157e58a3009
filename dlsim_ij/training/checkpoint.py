"""One file per checkpoint: tensors as safetensors, everything else as JSON in its header.

A single file is replaced in a single step: after a power cut there is the old checkpoint or the new
one, never tensors of one with the step number of the other. No pickle is involved.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlsim_ij.errors import DataError
from dlsim_ij.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor

_KEY = "dlsim_checkpoint"


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write a checkpoint, replacing the one before.

    Parameters
    ----------
    path : pathlib.Path
        A ``.safetensors`` file in an existing folder.
    tensors : mapping of str to Tensor
        On any device.
    values : mapping
        JSON values: step, best, history so far.
    """
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path, overwrite=True) as temporary:
        # not save_file: its files are for the owner alone, unlike everything else in the run folder
        temporary.write_bytes(save(plain, metadata={_KEY: json.dumps(values)}))


def keep_copy(path: Path, step: int, count: int) -> None:
    """Keep a checkpoint as ``step_XXXXXX.safetensors`` beside it, and of all such copies the newest.

    Parameters
    ----------
    path : pathlib.Path
        The checkpoint that was just written.
    step : int
        Steps done.
    count : int
        Copies that may stay; 0 makes none and leaves those that are there.
    """
    if not count:
        return
    with atomic_path(path.with_name(f"step_{step:06d}.safetensors"), overwrite=True) as temporary:
        shutil.copyfile(path, temporary)
    copies = sorted(path.parent.glob("step_*.safetensors"), key=lambda copy: int(copy.stem[5:]))
    for old in copies[:-count]:
        old.unlink()


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors (on the CPU) and values of a checkpoint.

    Raises
    ------
    DataError
        The file is missing, damaged, or no checkpoint of ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", "nothing to resume: leave --resume away") from error
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}", "resume is not possible; train anew") from error
    if _KEY not in header:
        raise DataError(f"{path} is no training checkpoint", "give the folder of a training run")
    try:
        values = json.loads(header[_KEY])
        if not isinstance(values, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is damaged: its values are no JSON", "resume is not possible; train anew"
        ) from error
    return tensors, values
