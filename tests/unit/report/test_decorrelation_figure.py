"""The drawing of a decorrelation analysis shows what was found."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
import tifffile

from dlsim_ij.errors import OutputError
from dlsim_ij.quality import decorrelation_resolution
from dlsim_ij.report.decorrelation_figure import headline, period_ticks, write_decorrelation_figure

REFERENCE = Path(__file__).parents[2] / "reference" / "decorrelation"


def analysis(name="fil256_s1.tif", **settings):
    return decorrelation_resolution(tifffile.imread(REFERENCE / name), **settings)


def words(path):
    return [text.strip() for text in ET.parse(path).getroot().itertext() if text.strip()]


@pytest.fixture(scope="module")
def found():
    return analysis(pixel_size_um=0.03)


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_formats_and_same_data_same_file(found, ending, start, tmp_path):
    paths = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for path in paths:
        write_decorrelation_figure(path, found, "cell")
    assert paths[0].read_bytes().startswith(start)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_every_curve_every_peak_and_kc_are_drawn(found, tmp_path):
    write_decorrelation_figure(tmp_path / "a.svg", found, "cell")
    text = (tmp_path / "a.svg").read_text()
    drawn = ET.fromstring(text).findall(".//{*}g[@clip-path]") + ET.fromstring(text).findall(
        ".//{*}path[@clip-path]"
    )
    curves = sum(curve.sigma_px is not None or curve.kind == "unfiltered" for curve in found.curves)
    peaks = sum(curve.peak_height > 0 for curve in found.curves)
    grid = sum("stroke: #e4e4e4" in (path.get("style") or "") for path in drawn)
    assert len(drawn) - grid == curves + peaks + 1
    assert {"unfiltered", "first pass: 10 high-pass filters", "second pass: 10 high-pass filters"} <= set(
        words(tmp_path / "a.svg")
    )


def test_a_name_stays_text_and_a_long_one_is_cut(found, tmp_path):
    write_decorrelation_figure(tmp_path / "a.svg", found, "<script>$x_1$ 細胞 & co</script>")
    assert "<script>$x_1$ 細胞 & co</script>" in words(tmp_path / "a.svg")
    write_decorrelation_figure(tmp_path / "a.png", found, "細胞")  # no such glyph in the font: no warning
    write_decorrelation_figure(tmp_path / "b.svg", found, "x" * 300)
    assert max(map(len, words(tmp_path / "b.svg"))) < 100


def test_the_headline_says_what_the_plugin_writes_under_its_plot(found):
    assert headline(found) == "resolution 88.6 nm (2.952 px), kc 0.6776, A0 0.7220 (plugin 1.1.8-nocap)"
    assert headline(analysis()).startswith("resolution 2.952 px, kc")
    assert headline(analysis(version="1.1.8")) == "no result, the plugin stops here, A0 0.7220 (plugin 1.1.8)"
    assert headline(analysis("noise256.tif")).startswith("no peak, kc 0.0000, A0 0.0000")


@pytest.mark.parametrize(
    ("name", "settings"),
    [("fil256_s1.tif", {"version": "1.1.8"}), ("noise256.tif", {}), ("noise256.tif", {"rmin": 0.2})],
)
def test_an_analysis_without_a_result_is_drawn_too(name, settings, tmp_path):
    write_decorrelation_figure(tmp_path / "a.svg", analysis(name, **settings), "cell")
    assert not any(text.startswith("kc ") for text in words(tmp_path / "a.svg"))


@pytest.mark.parametrize("pixel", [1.0, 6.5, 30.0, 31.3, 108.3, 6500.0])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 0.5), (0.3, 0.4), (0.05, 0.9)])
def test_periods_stand_at_their_frequencies_and_not_on_each_other(low, high, pixel):
    ticks = period_ticks(low, high, pixel)
    assert len(ticks) >= 1
    assert all(low <= radius <= high * (1 + 1e-9) for radius, _ in ticks)
    assert all(float(text) == pytest.approx(2 * pixel / radius, rel=1e-3) for radius, text in ticks)
    steps = [b - a for (a, _), (b, _) in pairwise(ticks)]
    assert all(step > 0.06 * (high - low) for step in steps)


def test_other_endings_and_existing_files_are_refused(found, tmp_path):
    with pytest.raises(OutputError, match=r"'\.jpg'"):
        write_decorrelation_figure(tmp_path / "a.jpg", found, "cell")
    (tmp_path / "a.svg").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_decorrelation_figure(tmp_path / "a.svg", found, "cell")
    assert (tmp_path / "a.svg").read_text() == "mine"
