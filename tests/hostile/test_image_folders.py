"""Folders of frames that cannot be used, files that may not be read, and lists of inputs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dlsim_ij.errors import ImageError
from dlsim_ij.images import (
    expand_inputs,
    read_image,
)

GREY = (np.arange(6 * 8).reshape(6, 8) * 40).astype(np.uint16)
STACK = np.stack([GREY + n * GREY.T.sum() % 97 for n in range(5)]).astype(np.uint16)


def frames_folder(folder: Path, names: list[str], images: list[np.ndarray] | None = None) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(3)
    for i, name in enumerate(names):
        image = rng.integers(0, 4000, (6, 8)).astype(np.uint16) if images is None else images[i]
        tifffile.imwrite(folder / name, image)
    return folder


def folder_empty(folder: Path) -> Path:
    (folder / "cell").mkdir()
    return folder / "cell"


def folder_of_other_files(folder: Path) -> Path:
    (folder / "cell").mkdir()
    (folder / "cell" / "notes.txt").write_text("nothing")
    return folder / "cell"


def folder_of_two_series(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif", "LE_00.tif", "LE_01.tif"])


def folder_with_an_odd_name(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif", "overview.tif"])


def folder_with_gaps(folder: Path) -> Path:
    return frames_folder(folder / "cell", [f"HE_0{n}.tif" for n in (0, 1, 2, 4, 6)])


def folder_with_a_number_twice(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif", "HE_1.tif"])


def folder_of_mixed_sizes(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif"], [GREY, GREY[:5]])


def folder_of_mixed_types(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif"], [GREY, GREY.astype(np.uint8)])


def folder_with_a_stack(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif"], [GREY, STACK])


def folder_with_colour_frames(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif"], [np.zeros((6, 8, 3), np.uint8)] * 2)


def folder_whose_sixteenth_is_a_frame(folder: Path) -> Path:
    return frames_folder(folder / "cell", [f"HE_{n:02}.tif" for n in range(16)])


def folder_whose_first_frame_is_missing(folder: Path) -> Path:
    rng = np.random.default_rng(5)
    frames = list(rng.integers(0, 4000, (15, 6, 8)).astype(np.uint16))
    frames.append(np.mean(frames, axis=0).astype(np.uint16))
    return frames_folder(folder / "cell", [f"HE_{n:02}.tif" for n in range(1, 16)], frames[1:])


def folder_with_a_damaged_frame(folder: Path) -> Path:
    cell = frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif", "HE_02.tif"])
    (cell / "HE_02.tif").write_bytes(b"")
    return cell


@pytest.mark.parametrize(
    ("builder", "words"),
    [
        (folder_empty, "holds no images"),
        (folder_of_other_files, "holds no images"),
        (folder_of_two_series, "mixes frames called 'HE_', 'LE_'"),
        (folder_with_an_odd_name, "'overview.tif' has no frame number"),
        (folder_with_gaps, "of the frames 0 to 6, 2 missing (3, 5)"),
        (folder_with_a_number_twice, "frame 1 2 times: HE_01.tif, HE_1.tif"),
        (folder_of_mixed_sizes, "HE_01.tif has 5 x 8 pixels, HE_00.tif has 6 x 8"),
        (folder_of_mixed_types, "HE_01.tif holds uint8, HE_00.tif holds uint16"),
        (folder_with_a_stack, "is a stack (5 x 6 x 8) among single frames"),
        (folder_with_colour_frames, "is a colour picture among"),
        (folder_whose_sixteenth_is_a_frame, "HE_15.tif is not the mean of the 15 before it"),
        (
            folder_whose_first_frame_is_missing,
            "HE_15.tif is close to the mean of the other frames, but not equal",
        ),
        (folder_with_a_damaged_frame, "HE_02.tif is empty (0 bytes)"),
    ],
)
def test_one_clear_line(builder, words, check_unusable):
    check_unusable(builder, words)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_without_permission(what, tmp_path, monkeypatch, check_refusal):
    # root may read everything, so the refusal of the system is played
    cell = frames_folder(tmp_path / "cell", ["HE_00.tif", "HE_01.tif"])

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    if what == "folder":
        monkeypatch.setattr(Path, "iterdir", refuse)
        path = cell
    else:
        monkeypatch.setattr("builtins.open", refuse)
        path = cell / "HE_00.tif"
    with pytest.raises(ImageError, match=r"may not be (read|listed)") as caught:
        read_image(path)
    monkeypatch.undo()
    check_refusal(caught.value, str(path))


def test_two_inputs_with_the_same_outputs(tmp_path, check_refusal):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "cell.tif", GREY)
    with pytest.raises(ImageError) as caught:
        expand_inputs([tmp_path / "a" / "cell.tif", tmp_path / "b" / "cell.tif"])
    check_refusal(caught.value, "same outputs, 'cell'")


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_inputs_that_are_none(kind, tmp_path, check_refusal):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError) as caught:
        expand_inputs([tmp_path / kind])
    check_refusal(caught.value, str(tmp_path / kind))


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_folders_that_link_back_are_walked_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "a" / "cell.tif", GREY)
    tifffile.imwrite(tmp_path / "a" / "b" / "other.tif", GREY)
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path / "a")
    found = expand_inputs([tmp_path / "a"])
    assert [(str(one.subfolder), one.name) for one in found] == [(".", "cell"), ("b", "other")]
