import dataclasses

import pytest

import dlsim_ij as dlsim
from dlsim_ij.acquisition import detect_acquisition
from dlsim_ij.report.acquisition_table import acquisition_rows


@pytest.fixture(scope="module")
def acquisition(request):
    raw = dlsim.read_image(request.config.rootpath / "examples" / "demo_raw.tif")
    return detect_acquisition(raw.values, 0.06)


def test_what_was_measured_is_told_in_words(acquisition):
    rows = dict(acquisition_rows({"I": 15, "Y": 192, "X": 192}, "uint16", acquisition))
    assert rows["Size"] == "15 I x 192 Y x 192 X, uint16"
    assert rows["Frames"].startswith("3 angles x 5 phases, angle-major (confidence ")
    assert len(rows["Pattern directions"].split(",")) == 3
    assert float(rows["Frames"].split()[-1].rstrip(")")) > 0.9
    light = float(rows["Light"].split()[0])
    assert light == pytest.approx(8, rel=0.3)  # photo-electrons of the demo
    assert "counts per photo-electron" in rows["Camera, from the noise"]
    assert rows["Bleaching over the stack"].endswith(" %")


def test_what_was_not_measured_is_left_out(acquisition):
    bare = dataclasses.replace(acquisition, light=None, checks=None, confidence=0.0)
    rows = dict(acquisition_rows({"I": 15}, "uint16", bare))
    assert rows["Frames"] == "3 angles x 5 phases, angle-major"
    assert not {"Light", "Camera, from the noise", "Bleaching over the stack"} & set(rows)
