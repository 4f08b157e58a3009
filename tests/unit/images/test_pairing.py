"""Which image belongs to which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from dlsim_ij.errors import DataError
from dlsim_ij.images.pairing import pair_by_name


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        tifffile.imwrite(folder / name, np.zeros((2, 2), np.uint8))
    return folder


def named(pairs: list[tuple[Path, Path]]) -> list[tuple[str, str]]:
    return [(target.name, image.name) for target, image in pairs]


def test_results_pair_with_what_they_are_named_after(tmp_path):
    truths = make(tmp_path / "t", "a.tif", "b.ome.tif", "b_sr.tif")
    images = make(tmp_path / "i", "a_sr.tif", "a_pred.tif", "b.tif", "b_sr.tif", "c.tif")
    pairs, alone = pair_by_name(truths, [images])
    expected = [
        ("a.tif", "a_pred.tif"),
        ("a.tif", "a_sr.tif"),
        ("b.ome.tif", "b.tif"),
        ("b_sr.tif", "b_sr.tif"),
    ]
    assert named(pairs) == expected
    assert [path.name for path in alone] == ["c.tif"]


def test_targets_may_have_an_ending_of_their_own(tmp_path):
    folder = make(tmp_path, "a_wf.tif", "a_sr.tif", "b_wf.tif", "b.tif")
    pairs, _ = pair_by_name(folder, [folder / "a_sr.tif", folder / "b.tif"], target_endings=("_wf",))
    assert named(pairs) == [("a_wf.tif", "a_sr.tif"), ("b_wf.tif", "b.tif")]
    with pytest.raises(DataError, match="no image has the name of a reference"):
        pair_by_name(folder, [folder / "b.tif"], what="reference")


def test_one_target_serves_all(tmp_path):
    folder = make(tmp_path, "a.tif", "b.tif")
    pairs, alone = pair_by_name(tmp_path / "truth.tif", [folder])
    assert named(pairs) == [("truth.tif", "a.tif"), ("truth.tif", "b.tif")]
    assert alone == []


def test_folders_of_folders_are_opened_when_asked(tmp_path):
    truths, images = make(tmp_path / "t", "a.tif"), tmp_path / "i"
    make(images / "run1", "a_sr.tif")
    with pytest.raises(DataError, match="holds no image"):
        pair_by_name(truths, [images])
    assert named(pair_by_name(truths, [images], open_folders=True)[0]) == [("a.tif", "a_sr.tif")]


def test_two_targets_of_one_name_are_refused(tmp_path):
    make(tmp_path, "a.tif", "a.ome.tif")
    with pytest.raises(DataError, match="holds both"):
        pair_by_name(tmp_path, [tmp_path / "a.tif"])
