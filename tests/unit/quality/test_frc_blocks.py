"""Maps of resolution: known halves, blocks without signal, NanoJ's convention."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality import frc_map, frc_resolution, nanoj_frc_map
from dlsim_ij.quality.frc_blocks import _arcs


def field(sigma_px: float, shape: tuple[int, int], seed: int) -> np.ndarray:
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    spectrum = np.fft.rfft2(np.random.default_rng(seed).normal(size=shape))
    return np.fft.irfft2(spectrum * np.exp(-2 * (np.pi * sigma_px * radius) ** 2), s=shape)


@pytest.fixture(scope="module")
def halves() -> list[np.ndarray]:
    """Fine structure left, coarse structure right, nothing in the lower left corner; two exposures."""
    structure = field(1.3, (256, 384), 1)
    structure[:, 192:] = 3 * field(2.5, (256, 384), 2)[:, 192:]
    structure[192:, :128] = 0
    rng = np.random.default_rng(3)
    return [structure + 0.1 * rng.normal(size=structure.shape) for _ in range(2)]


def test_each_side_has_its_resolution(halves):
    result = frc_map(*halves, pixel_size_um=0.05)
    assert result.resolution_px.shape == (len(result.centre_y_px), len(result.centre_x_px)) == (7, 11)
    left, right = result.resolution_px[:4, :5], result.resolution_px[:, 6:]
    whole_left, whole_right = (
        frc_resolution(*(image[rows, columns] for image in halves)).resolution_px
        for rows, columns in ((slice(0, 192), slice(0, 192)), (slice(None), slice(192, None)))
    )
    assert np.nanmean(left) == pytest.approx(whole_left, rel=0.08)
    assert np.nanmean(right) == pytest.approx(whole_right, rel=0.08)
    assert np.isnan(result.resolution_px[-1, 0])
    assert result.n_no_signal >= 3
    assert result.n_blocks == result.n_measured + result.n_no_crossing + result.n_no_signal == 77


def test_the_summary_is_that_of_the_measured_blocks(halves):
    result = frc_map(*halves, block_px=48, step_px=48, pixel_size_um=0.05)
    found = result.resolution_px[np.isfinite(result.resolution_px)]
    assert result.n_measured == len(found)
    assert (result.mean_px, result.min_px, result.max_px) == pytest.approx(
        (found.mean(), found.min(), found.max())
    )
    assert result.sd_um == pytest.approx(0.05 * found.std(ddof=1))
    line = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert "mean_um" in line
    assert "resolution_px" not in line


def test_a_block_is_measured_as_an_image_of_its_own(halves):
    result = frc_map(*halves, block_px=64, step_px=64, window="tukey")
    alone = frc_resolution(*(image[64:128, 128:192] for image in halves))
    assert result.resolution_px[1, 2] == pytest.approx(alone.resolution_px, rel=1e-9)
    assert (result.centre_y_px[1], result.centre_x_px[2]) == (95.5, 159.5)


def test_blocks_reach_the_border_and_chunks_change_nothing(halves, monkeypatch):
    cut = [image[:200, :210] for image in halves]
    result = frc_map(*cut, block_px=64, step_px=60)
    assert result.centre_y_px[-1] == 200 - 64 + 31.5
    assert result.centre_x_px[-1] == 210 - 64 + 31.5
    monkeypatch.setattr("dlsim_ij.quality.frc_blocks._PIXELS_AT_ONCE", 64 * 64)
    again = frc_map(*cut, block_px=64, step_px=60)
    np.testing.assert_allclose(again.resolution_px, result.resolution_px, rtol=1e-9)


def test_the_picture_has_the_nearest_block(halves):
    result = frc_map(*halves)
    picture = result.image()
    assert picture.shape == halves[0].shape
    assert picture[40, 300] == result.resolution_px[0, 8]  # centres at 31.5 + 32 k
    assert np.isnan(picture[255, 0])
    filled = result.image(fill=True)
    assert not np.isnan(filled).any()
    assert np.isin(filled, result.resolution_px).all()
    seen = np.isfinite(picture)
    np.testing.assert_array_equal(filled[seen], picture[seen])


def test_noise_has_an_empty_map():
    result = frc_map(*np.random.default_rng(0).normal(size=(2, 128, 128)))
    assert (result.n_measured, result.mean_px, result.sd_px, result.max_um) == (0, None, None, None)
    assert result.n_no_signal == result.n_blocks
    assert np.isnan(result.image(fill=True)).all()


def test_nanoj_convention_agrees_where_its_rings_are_well_sampled(halves):
    right = [image[:, 192:] for image in halves]
    whole = frc_resolution(*right).resolution_px
    result = nanoj_frc_map(*right, blocks_per_axis=2, pixel_size_um=0.025)
    assert result.n_blocks == 4
    assert result.block_px == 96
    assert result.mean_px == pytest.approx(whole, rel=0.12)
    assert result.mean_um == pytest.approx(0.025 * result.mean_px)


def test_nanoj_blocks_follow_the_width(halves):
    result = nanoj_frc_map(*halves)
    assert result.block_px == 38
    assert result.resolution_px.shape == (6, 10)
    assert not np.isnan(result.image(fill=True)).any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"block_px": 16}, "block is 16"), ({"step_px": 0}, "step 0"), ({"block_px": 300}, "a block is 300")],
)
def test_blocks_that_make_no_sense_are_refused(halves, settings, words):
    with pytest.raises((ConfigError, ImageError), match=words) as refusal:
        frc_map(*halves, **settings)
    assert refusal.value.hint


@pytest.mark.parametrize("blocks", [0, 60, 1])
def test_nanoj_blocks_that_make_no_sense_are_refused(halves, blocks):
    with pytest.raises((ConfigError, ImageError)):
        nanoj_frc_map(*halves, blocks_per_axis=blocks)


def test_nanoj_arcs_sample_half_circles_bilinearly():
    """On planes, bilinear samples are exact, so sums over each arc are known."""
    side = 32
    arcs = _arcs(side)
    y, x = np.mgrid[:side, :side].astype(float)
    sums = arcs @ np.stack([np.ones(side**2), x.ravel(), y.ravel()], axis=1)
    assert len(sums) == side // 2 - 2
    for radius, (count, sum_x, sum_y) in enumerate(sums, start=1):
        angle = np.arange(np.ceil(np.pi * radius)) / radius
        expected = len(angle), (16 + radius * np.cos(angle)).sum(), (16 + radius * np.sin(angle)).sum()
        assert (count, sum_x, sum_y) == pytest.approx(expected)
