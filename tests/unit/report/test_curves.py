"""Curves survive the way to the folder, and damaged files are named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dlsim_ij.errors import DataError, OutputError
from dlsim_ij.quality import frc_resolution
from dlsim_ij.quality.resolution import image_resolution
from dlsim_ij.report import load_curves, save_curves
from dlsim_ij.report.curves import curve_set
from dlsim_ij.report.measure_charts import decorrelation_chart, frc_chart, strip_chart


@pytest.fixture(scope="module")
def curves(truth_image):
    rng = np.random.default_rng(0)
    first, second = (truth_image + rng.normal(0, 30, truth_image.shape) for _ in range(2))
    return curve_set(
        {"sr": image_resolution(first, 0.03), "widefield": image_resolution(second)},
        {"sr": frc_resolution(first, second, pixel_size_um=0.03)},
        widefield_pixel_px=2,
    )


def test_they_come_back_to_six_digits(curves, tmp_path):
    path = save_curves(curves, tmp_path / "a_curves.json")
    back = load_curves(path)
    assert set(back.decorrelation) == {"sr", "widefield"}
    assert back.decorrelation["widefield"].pixel_px == 2
    assert back.decorrelation["widefield"].pixel_size_um is None
    assert len(back.decorrelation["sr"].curves) == len(curves.decorrelation["sr"].curves) > 10
    for kind in ("frequency", "raw", "smoothed", "threshold_curve"):
        np.testing.assert_allclose(getattr(back.frc["sr"], kind), getattr(curves.frc["sr"], kind), rtol=1e-5)
    for old, new in zip(curves.decorrelation["sr"].curves, back.decorrelation["sr"].curves, strict=True):
        assert (old.kind, old.peak_height) == (new.kind, new.peak_height)
        np.testing.assert_allclose(new.values, old.values, rtol=1e-5)
    # nothing is lost the second time, so a report can be built again and again
    again = save_curves(back, tmp_path / "b_curves.json")
    assert save_curves(load_curves(again), tmp_path / "c_curves.json").read_bytes() == again.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        save_curves(curves, path)


def test_the_cut_off_is_the_resolution(curves):
    plot = curves.decorrelation["sr"]
    measured = max(curve.peak_frequency for curve in plot.curves if curve.peak_height > 0)
    assert plot.cutoff == pytest.approx(measured)


EMPTY: dict = {key: [] for key in ("frequency", "raw", "smoothed", "threshold_curve")}
DAMAGE = {
    "no json": lambda data: "{",
    "a list": lambda data: "[]",
    "other format": lambda data: json.dumps({**data, "format": "dlsim-curves/9"}),
    "part missing": lambda data: json.dumps({"format": data["format"], "decorrelation": {}}),
    "uneven": lambda data: json.dumps({**data, "frc": {"sr": {**data["frc"]["sr"], "raw": [1]}}}),
    "words": lambda data: json.dumps({**data, "frc": {"sr": {**data["frc"]["sr"], "raw": ["x"]}}}),
    "pixel": lambda data: json.dumps({**data, "frc": {"sr": {**data["frc"]["sr"], "pixel_px": 0}}}),
    "null pixel": lambda data: json.dumps({**data, "frc": {"sr": {**data["frc"]["sr"], "pixel_px": None}}}),
    "empty": lambda data: json.dumps({**data, "frc": {"sr": {**data["frc"]["sr"], **EMPTY}}}),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(curves, tmp_path, case):
    path = save_curves(curves, tmp_path / "a_curves.json")
    path.write_text(DAMAGE[case](json.loads(path.read_text())))
    with pytest.raises(DataError) as refusal:
        load_curves(path)
    assert "a_curves.json" in refusal.value.message
    assert "\n" not in refusal.value.message
    assert refusal.value.hint


def test_charts_say_what_they_show(curves):
    chart = decorrelation_chart(curves.decorrelation["sr"], title="t", alt="a")
    resolution_nm = 30 / curves.decorrelation["sr"].cutoff
    assert f"resolution {resolution_nm:.0f} nm" in chart.svg
    assert "period (nm)" in chart.svg
    assert "cycles/pixel" in decorrelation_chart(curves.decorrelation["widefield"], title="t", alt="a").svg
    assert "threshold 1/7" in frc_chart({"Result": curves.frc["sr"]}, title="t", alt="a").svg


def test_dots_are_drawn_the_same_twice_and_not_without_end():
    values = list(np.random.default_rng(0).normal(size=2000))
    charts = [
        strip_chart({"Result": values, "Wiener": [0.5]}, x_label="x", title="t", alt="a").svg
        for _ in range(2)
    ]
    assert charts[0] == charts[1]
    assert len(charts[0]) < 80_000
