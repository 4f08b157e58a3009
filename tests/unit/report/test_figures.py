"""Pictures hold the right grey values; charts are safe inside a page."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from dlsim_ij.report.figures import MAX_SIDE_PX, grey_picture, line_chart, map_picture, scale_bar, shrink

ABOUT = {"title": "t", "alt": "a"}


def pixels_of(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)


def test_grey_values_lie_between_the_two_ends():
    picture = grey_picture(np.array([[-5.0, 0.0], [5.0, 20.0]]), (0, 10), **ABOUT)
    np.testing.assert_array_equal(pixels_of(picture)[..., 0], [[0, 0], [128, 255]])


def test_a_signed_map_is_white_at_zero_blue_below_and_red_above():
    ramp = np.linspace(-1, 1, 101)[None, :] * np.ones((4, 1))
    colours = pixels_of(map_picture(ramp, signed=True, **ABOUT))[0]
    assert colours[50].min() > 240
    assert colours[0, 2] > colours[0, 0]  # blue
    assert colours[-1, 0] > colours[-1, 2]  # red


def test_one_hot_pixel_does_not_hide_the_rest():
    image = np.random.default_rng(0).uniform(0, 1, (50, 50))
    image[3, 3] = 1e6
    picture = map_picture(image, signed=False, unit="counts", **ABOUT)
    assert picture.colour_bar.low == "0"
    assert float(picture.colour_bar.high.split()[0]) < 1.1
    assert picture.colour_bar.high.endswith(" counts")
    assert pixels_of(picture).std() > 20


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
@pytest.mark.parametrize("signed", [True, False])
def test_a_constant_map_is_drawn(value, signed):
    assert map_picture(np.full((4, 4), value), signed=signed, **ABOUT).width_px == 4


@pytest.mark.parametrize("shape", [(1, 1), (512, 512), (513, 512), (1792, 1500), (3, 5000)])
def test_large_images_are_averaged_down(shape):
    image = np.random.default_rng(0).normal(size=shape)
    small = shrink(image)
    assert max(small.shape) <= MAX_SIDE_PX
    if shape == (1792, 1500):
        np.testing.assert_allclose(small, image.reshape(448, 4, 375, 4).mean(axis=(1, 3)))


@pytest.mark.parametrize(
    ("width_px", "pixel_size_um", "label", "length_px"),
    [(256, 0.03, "2 µm", 66.7), (51, 0.03, "500 nm", 16.7), (512, None, "100 px", 100), (2, None, "1 px", 1)],
)
def test_the_scale_bar_is_as_long_as_it_says(width_px, pixel_size_um, label, length_px):
    bar = scale_bar(width_px, pixel_size_um)
    assert bar.label == label
    assert bar.fraction * width_px == pytest.approx(length_px, abs=0.05)


def chart(name="one", **options):
    x = np.linspace(0, 1, 20)
    return line_chart({name: (x, x**2 + 0.1)}, x_label="x (µm)", y_label="y", title="t", alt="a", **options)


def test_a_chart_is_one_svg_element_with_variables_for_colours():
    svg = chart(log_y=True, top_ticks=((0.5, "200"),), top_label="period (nm)").svg
    root = ET.fromstring(svg.replace("var(", "url(").replace("xlink:", ""))
    assert root.tag.endswith("svg")
    for variable in ("--ink-soft", "--line", "--series-1"):
        assert f"var({variable})" in svg
    assert "http" not in svg.replace("http://www.w3.org/", "")
    assert "10⁰" in svg


def test_text_in_a_chart_is_escaped_and_dollar_signs_are_no_formula():
    svg = chart(name="<script>alert(1)</script> $\\frac$").svg
    assert "<script>" not in svg
    assert "&lt;script&gt;" in svg


def test_charts_are_the_same_each_time_and_share_no_names():
    assert chart().svg == chart().svg
    ids = [set(ET.fromstring(c.svg.replace("xlink:", "")).itertext()) for c in (chart(), chart("two"))]
    assert ids[0] != ids[1]
    names = [
        {e.get("id") for e in ET.fromstring(c.svg.replace("xlink:", "")).iter() if e.get("id")}
        for c in (chart(), chart("two"))
    ]
    assert names[0]
    assert not names[0] & names[1]
