"""One field of view in one file: written plane by plane, read by memory map.

The file is a safetensors file (any reader of that format opens it, none has to trust it) with the tensors
``normal`` and ``low`` (frames, Y, X), ``truth`` and ``low_truth`` (Y, X), of which some may be absent, and
text in its header. It is written here by hand because the library wants all tensors in memory at once.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray

from dlsim_ij.errors import DataError
from dlsim_ij.files import atomic_path

SUFFIX = ".safetensors"
_CODES = {"uint16": "U16", "float32": "F32"}
_TYPES = {code: np.dtype(name).newbyteorder("<") for name, code in _CODES.items()}

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """A tensor that is made while it is written.

    Attributes
    ----------
    shape : tuple of int
        (frames, Y, X) or (Y, X).
    dtype : {"uint16", "float32"}
        Type on disk.
    planes : callable
        Returns an iterator over the (Y, X) planes, in order.
    """

    shape: tuple[int, ...]
    dtype: str
    planes: Callable[[], Iterator[Array]]

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


def write_field(path: Path, tensors: Mapping[str, Planes], header: Mapping[str, str]) -> None:
    """Write a field file in one step: it is whole, or it is not there.

    Parameters
    ----------
    path : Path
        File to write; an existing one is replaced.
    tensors : mapping of str to Planes
        What to write; one plane at a time is in memory.
    header : mapping of str to str
        Text that goes with it.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    described: dict[str, Any] = {"__metadata__": dict(header)}
    position = 0
    for name, tensor in tensors.items():
        end = position + tensor.nbytes
        described[name] = {
            "dtype": _CODES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(described, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the format keeps the data aligned
    with atomic_path(path, overwrite=True) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in tensors.items():
            written = 0
            for plane in tensor.planes():
                if plane.shape != tensor.shape[-2:]:
                    raise ValueError(f"{name}: a plane of {plane.shape} among {tensor.shape}")
                written += file.write(np.ascontiguousarray(plane, dtype=_TYPES[_CODES[tensor.dtype]]).data)
            if written != tensor.nbytes:
                raise ValueError(f"{name}: {written} bytes written, {tensor.nbytes} announced")


def read_header(path: Path) -> dict[str, str]:
    """Return the text in the header of a field file.

    Raises
    ------
    DataError
        The file is missing, cut off or no field file.
    """
    with _checked(path) as opened:
        return dict(opened.metadata() or {})


def open_field(path: Path) -> dict[str, Array]:
    """Return the tensors of a field file as read-only memory maps: only what is indexed is read.

    Raises
    ------
    DataError
        The file is missing, cut off or no field file.
    """
    with _checked(path) as opened:  # the library has now checked sizes, offsets and types
        names = list(opened.keys())
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        described = json.loads(file.read(length))
    tensors: dict[str, Array] = {}
    for name in names:
        entry = described[name]
        if entry["dtype"] not in _TYPES:
            raise DataError(f"{path}: tensor '{name}' has the type {entry['dtype']}", "prepare it again")
        tensors[name] = np.memmap(
            path, dtype=_TYPES[entry["dtype"]], mode="r", offset=8 + length + entry["data_offsets"][0],
            shape=tuple(entry["shape"]),
        )  # fmt: skip
    return tensors


def _checked(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"the field file {path} is missing", "prepare the dataset again, with --resume")
    try:
        return safetensors.safe_open(path, framework="numpy")
    except (safetensors.SafetensorError, OSError) as error:
        raise DataError(
            f"{path} is damaged: {error}", "delete it and prepare the dataset again, with --resume"
        ) from error
