"""Numpy files that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

GREY = (np.arange(6 * 8).reshape(6, 8) * 40).astype(np.uint16)


def npy_called_tif(folder: Path) -> Path:
    with open(folder / "cell.tif", "wb") as file:
        np.save(file, GREY)
    return folder / "cell.tif"


def tif_called_npy(folder: Path) -> Path:
    tifffile.imwrite(folder / "cell.tif", GREY)
    return (folder / "cell.tif").rename(folder / "cell.npy")


def npy_of_objects(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.array([GREY, None], dtype=object), allow_pickle=True)
    return folder / "cell.npy"


def npy_truncated(folder: Path) -> Path:
    np.save(folder / "cell.npy", GREY)
    os.truncate(folder / "cell.npy", 150)
    return folder / "cell.npy"


def npy_header_damaged(folder: Path) -> Path:
    np.save(folder / "cell.npy", GREY)
    data = bytearray((folder / "cell.npy").read_bytes())
    data[10:40] = b"(" * 30
    (folder / "cell.npy").write_bytes(data)
    return folder / "cell.npy"


def npy_that_claims_a_petabyte(folder: Path) -> Path:
    with open(folder / "cell.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**8, 10**6)}
        np.lib.format.write_array_header_1_0(file, header)
    return folder / "cell.npy"


def npz(folder: Path) -> Path:
    np.savez(folder / "cell.npz", image=GREY)
    return folder / "cell.npz"


def npy_of_words(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.array([["one", "two"]]))
    return folder / "cell.npy"


def npy_empty(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.zeros((0, 5, 5)))
    return folder / "cell.npy"


def npy_of_four_axes(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.zeros((2, 3, 6, 8)))
    return folder / "cell.npy"


def npy_with_frames_last(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.zeros((64, 64, 15)))
    return folder / "cell.npy"


@pytest.mark.parametrize(
    ("builder", "words"),
    [
        (npy_called_tif, "a numpy file with another name"),
        (tif_called_npy, "a TIFF with the name of a numpy file"),
        (npy_of_objects, "Python objects"),
        (npy_truncated, "damaged numpy file"),
        (npy_header_damaged, "damaged numpy file"),
        (npy_that_claims_a_petabyte, "damaged numpy file"),
        (npz, "ZIP archive"),
        (npy_of_words, "<U3 values"),
        (npy_empty, "empty array"),
        (npy_of_four_axes, "4 axes"),
        (npy_with_frames_last, "frames along the last axis"),
    ],
)
def test_one_clear_line(builder, words, check_unusable):
    check_unusable(builder, words)
