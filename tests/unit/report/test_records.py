"""Records survive the way to the folder and back; damaged ones are named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dlsim_ij.errors import DataError, DlsimError, ImageError, OutputError
from dlsim_ij.report import find_records, load_record, save_record


def test_a_record_comes_back_whole(make_record, save, tmp_path):
    record = save(make_record(), tmp_path)
    back = load_record(tmp_path / "cell_run.json")
    assert back == record
    for role, image in record.images.items():
        np.testing.assert_array_equal(back.images[role].pixels, image.pixels)


def test_nan_becomes_null_and_stays_valid_json(make_record, tmp_path):
    path = save_record(make_record(metrics={"ssim": float("nan"), "n": np.int64(3)}), tmp_path)
    assert json.loads(path.read_text())["metrics"] == {"ssim": None, "n": 3}
    assert "NaN" not in path.read_text()


def test_a_record_is_not_overwritten_unasked(make_record, tmp_path):
    save_record(make_record(), tmp_path)
    with pytest.raises(OutputError, match="exists"):
        save_record(make_record(), tmp_path)
    save_record(make_record(verdict="other"), tmp_path, overwrite=True)


@pytest.mark.parametrize("name", ["", "a/b", "..\\b"])
def test_a_name_that_is_a_path_is_refused(make_record, tmp_path, name):
    with pytest.raises(DataError, match="cannot name"):
        save_record(make_record(name=name), tmp_path)


def test_a_missing_side_image_becomes_a_warning(make_record, save, tmp_path):
    save(make_record(), tmp_path)
    (tmp_path / "cell_wiener.tif").unlink()
    record = load_record(tmp_path / "cell_run.json")
    assert "wiener" not in record.images
    assert "cell_wiener.tif" in record.warnings[-1].message


def test_a_missing_result_is_refused(make_record, save, tmp_path):
    save(make_record(), tmp_path)
    (tmp_path / "cell_sr.tif").unlink()
    with pytest.raises(DataError, match=r"cell_sr\.tif is gone"):
        load_record(tmp_path / "cell_run.json")


def test_nan_in_an_image_is_refused(make_record, save, tmp_path):
    record = make_record()
    record.images["sr"].pixels[3, 4] = np.nan
    save(record, tmp_path)
    with pytest.raises(ImageError, match=r"cell_sr\.tif.*NaN"):
        load_record(tmp_path / "cell_run.json")


DAMAGE = {
    "no json": lambda data: "{",
    "nested too deep": lambda data: "[" * 100_000,
    "a list": lambda data: "[]",
    "other format": lambda data: json.dumps({**data, "format": "dlsim-run/2"}),
    "key missing": lambda data: json.dumps({k: v for k, v in data.items() if k != "verdict"}),
    "wrong type": lambda data: json.dumps({**data, "model": 3}),
    "wrong level": lambda data: json.dumps({**data, "verdict_level": "splendid"}),
    "unhashable level": lambda data: json.dumps({**data, "verdict_level": []}),
    "images a list": lambda data: json.dumps({**data, "images": []}),
    "no result": lambda data: json.dumps({**data, "images": {}}),
    "acquisition of three": lambda data: json.dumps({**data, "acquisition": [["a", "b", "c"]]}),
    "pixel size": lambda data: json.dumps(
        {**data, "images": {"sr": {"file": "cell_sr.tif", "pixel_size_um": -1, "note": ""}}}
    ),
    "outside": lambda data: json.dumps(
        {**data, "images": {"sr": {"file": "../cell_sr.tif", "pixel_size_um": 1, "note": ""}}}
    ),
    "absolute": lambda data: json.dumps(
        {**data, "images": {"sr": {"file": "/etc/passwd", "pixel_size_um": 1, "note": ""}}}
    ),
    "renamed": lambda data: json.dumps({**data, "name": "other"}),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_record_is_refused_in_one_line(make_record, save, tmp_path, case):
    save(make_record(), tmp_path / "results")
    save(make_record(), tmp_path)  # so that "../cell_sr.tif" is an image
    path = tmp_path / "results" / "cell_run.json"
    path.write_text(DAMAGE[case](json.loads(path.read_text())))
    with pytest.raises(DataError) as refusal:
        load_record(path)
    assert "cell_run.json" in refusal.value.message
    assert "\n" not in refusal.value.message
    assert refusal.value.hint


def test_records_are_found_in_sub_folders_and_missing_ones_explained(make_record, save, tmp_path):
    save(make_record("b"), tmp_path / "x")
    save(make_record("a"), tmp_path)
    assert [path.name for path in find_records(tmp_path)] == ["a_run.json", "b_run.json"]
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere", tmp_path / "a_sr.tif"):
        with pytest.raises(DlsimError) as refusal:
            find_records(folder)
        assert "dlsim run" in refusal.value.hint
