"""Folders of single frames, and the inputs of a command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from dlsim_ij.errors import ImageError
from dlsim_ij.images import expand_inputs, read_image

RNG = np.random.default_rng(4)


def write_frames(folder: Path, frames, name: str = "HE_{:02}.tif", first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=first):
        if name.endswith(".npy"):
            np.save(folder / name.format(number), frame)
        else:
            tifffile.imwrite(folder / name.format(number), frame, photometric="minisblack")
    return folder


def frames(n=15, dtype=np.uint16):
    return RNG.integers(0, 4000, (n, 6, 8)).astype(dtype)


@pytest.mark.parametrize(
    ("name", "first"),
    [("HE_{:02}.tif", 0), ("HE_{}.tif", 1), ("{}.TIFF", 0), ("f-{:04}.npy", 1), ("a1 b{}.tif", 7)],
)
def test_the_order_is_that_of_the_numbers(name, first, tmp_path):
    stack = frames(15)
    write_frames(tmp_path / "Sample_1", stack, name, first)
    back = read_image(tmp_path / "Sample_1")
    assert back.dims == ("I", "Y", "X")
    np.testing.assert_array_equal(back.values, stack)
    assert back.attrs["labels"] == [name.format(n) for n in range(first, first + 15)]
    assert back.attrs["left_out"] == []
    assert back.attrs["name"] == "Sample_1"


@pytest.mark.parametrize("rounding", [np.floor, np.rint])
def test_the_mean_is_no_frame(rounding, tmp_path):
    stack = frames(15)
    mean = rounding(stack.mean(axis=0)).astype(np.uint16)
    back = read_image(write_frames(tmp_path / "a", [*stack, mean]))
    np.testing.assert_array_equal(back.values, stack)
    assert back.attrs["left_out"] == ["HE_15.tif"]
    assert len(back.attrs["labels"]) == 15


def test_mean_and_maximum_are_no_frames(tmp_path):
    stack = frames(15)
    mean = np.floor(stack.mean(axis=0)).astype(np.uint16)
    back = read_image(write_frames(tmp_path / "a", [*stack, mean, stack.max(axis=0)]))
    np.testing.assert_array_equal(back.values, stack)
    assert back.attrs["left_out"] == ["HE_15.tif", "HE_16.tif"]


def test_the_mean_of_float_frames(tmp_path):
    stack = RNG.random((15, 6, 8)).astype(np.float32)
    back = read_image(write_frames(tmp_path / "a", [*stack, stack.mean(axis=0)]))
    assert len(back) == 15


@pytest.mark.parametrize("stack", [frames(20), frames(9), frames(2), np.zeros((10, 6, 8), np.uint8)])
def test_other_numbers_of_frames(stack, tmp_path):
    np.testing.assert_array_equal(read_image(write_frames(tmp_path / "a", stack)).values, stack)


def test_other_files_in_the_folder_do_not_matter(tmp_path):
    write_frames(tmp_path / "a", frames(3))
    for name in (".HE_03.tif", ".DS_Store", "Thumbs.db", "notes.txt"):
        (tmp_path / "a" / name).write_text("x")
    (tmp_path / "a" / "old").mkdir()
    assert len(read_image(tmp_path / "a")) == 3


def test_calibration_comes_from_the_first_frame(tmp_path):
    (tmp_path / "a").mkdir()
    for n, frame in enumerate(frames(3)):
        tifffile.imwrite(
            tmp_path / "a" / f"f{n}.tif", frame, imagej=True, resolution=(10, 10), metadata={"unit": "um"}
        )  # fmt: skip
    assert read_image(tmp_path / "a").attrs["pixel_size_um"] == 0.1


# ---- inputs of a command -----------------------------------------------------------------------------------


def listed(inputs, top):
    return [(str(one.path.relative_to(top)), str(one.subfolder), one.name) for one in inputs]


def test_files_and_folders(tmp_path):
    write_frames(tmp_path / "HE_X2" / "Sample_2", frames(3))
    write_frames(tmp_path / "HE_X2" / "Sample_10", frames(3))
    (tmp_path / "stacks" / "day 1").mkdir(parents=True)
    for name in ("cell10.tif", "cell9.tif", "notes.txt"):
        tifffile.imwrite(tmp_path / "stacks" / "day 1" / name, frames(3), photometric="minisblack")
    tifffile.imwrite(tmp_path / "one.ome.tif", frames(3)[0])
    found = expand_inputs([tmp_path / "one.ome.tif", tmp_path / "HE_X2", tmp_path / "stacks"])
    assert listed(found, tmp_path) == [
        ("one.ome.tif", ".", "one"),
        ("HE_X2/Sample_2", ".", "Sample_2"),
        ("HE_X2/Sample_10", ".", "Sample_10"),
        ("stacks/day 1/cell9.tif", "day 1", "cell9"),
        ("stacks/day 1/cell10.tif", "day 1", "cell10"),
    ]


def test_only_what_is_called_so(tmp_path):
    write_frames(tmp_path / "in" / "Sample_1", frames(3))
    write_frames(tmp_path / "in" / "other", frames(3))
    for name in ("a_raw.tif", "a_truth.tif", "B_RAW.tif"):
        tifffile.imwrite(tmp_path / "in" / name, frames(3), photometric="minisblack")

    def names(only, *paths):
        return [one.name for one in expand_inputs([tmp_path / "in", *paths], only=only)]

    assert names(None) == ["a_raw", "a_truth", "B_RAW", "other", "Sample_1"]
    assert names("*_raw.tif") == ["a_raw"]
    assert names("*_[rt]*.tif") == ["a_raw", "a_truth"]
    assert names("Sample_*") == ["Sample_1"]
    # what is given by its name is taken, a folder of frames as well
    assert names("*_raw.tif", tmp_path / "in" / "B_RAW.tif") == ["a_raw", "B_RAW"]
    assert names("*_raw.tif", tmp_path / "in" / "other") == ["a_raw", "other"]
    with pytest.raises(ImageError, match=r"none of the 5 images in .*in is called like '\*\.ome\.tif'"):
        names("*.ome.tif")


def test_a_folder_of_frames_is_one_input(tmp_path, monkeypatch):
    write_frames(tmp_path / "Sample_1", frames(3))
    assert listed(expand_inputs([tmp_path / "Sample_1"]), tmp_path) == [("Sample_1", ".", "Sample_1")]
    monkeypatch.chdir(tmp_path / "Sample_1")
    assert expand_inputs(["."])[0].name == "Sample_1"


def test_numbered_stacks_are_not_frames(tmp_path):
    write_frames(tmp_path / "a", [frames(3), frames(3)], "cell_{}.tif")
    assert [one.name for one in expand_inputs([tmp_path / "a"])] == ["cell_0", "cell_1"]


@pytest.mark.parametrize(
    ("damaged", "expected"), [("cell_0.tif", ["cell_0", "cell_1"]), ("cell_1.tif", ["cell_0", "cell_1"])]
)
def test_a_damaged_stack_does_not_stop_the_others(damaged, expected, tmp_path):
    write_frames(tmp_path / "a", [frames(3), frames(3)], "cell_{}.tif")
    (tmp_path / "a" / damaged).write_bytes(b"II*\0")
    assert [one.name for one in expand_inputs([tmp_path / "a"])] == expected


@pytest.mark.parametrize("damaged", ["HE_00.tif", "HE_02.tif"])
def test_a_damaged_frame_does_not_split_the_folder(damaged, tmp_path):
    write_frames(tmp_path / "a", frames(3))
    (tmp_path / "a" / damaged).write_bytes(b"")
    assert [one.path for one in expand_inputs([tmp_path / "a"])] == [tmp_path / "a"]


def test_single_planes_one_by_one(tmp_path):
    write_frames(tmp_path / "HER", frames(3), "Sample_{}.tif")
    assert len(expand_inputs([tmp_path / "HER"])) == 1
    found = expand_inputs([tmp_path / "HER"], frame_folders=False)
    assert [one.name for one in found] == ["Sample_0", "Sample_1", "Sample_2"]
