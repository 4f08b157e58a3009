"""Fourier ring correlation against images whose expected curve is known in closed form."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from dlsim_ij.quality import frc_frame_split, frc_resolution

THRESHOLDS = ["1/7", "half-bit", "3-sigma"]


def transfer(shape: tuple[int, int], sigma_px: float) -> np.ndarray:
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    return np.exp(-2 * (np.pi * sigma_px * radius) ** 2)


def noisy_pair(seed: int, shape=(192, 192), sigma_px: float = 1.2, noise: float = 0.1) -> list[np.ndarray]:
    """Return a white object under a Gaussian transfer function, twice, each with its own white noise."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.normal(size=shape)) * transfer(shape, sigma_px)
    structure = np.fft.irfft2(spectrum, s=shape)
    return [structure + noise * rng.normal(size=shape) for _ in range(2)]


def expected_resolution(result, sigma_px: float, noise: float) -> float:
    """Return where ``S / (S + N)`` meets the threshold, on a fine axis."""
    frequency = np.linspace(0.05, 0.5, 100_000)  # the first rings hold so few samples that the limit is 1
    signal = np.exp(-4 * (np.pi * sigma_px * frequency) ** 2)
    limit = np.interp(frequency, result.frequency, result.threshold_curve)
    return 1 / frequency[np.flatnonzero(signal / (signal + noise**2) < limit)[0]]


def points(shape=(192, 192), photons: float = 20.0, background: float = 3.0) -> np.ndarray:
    """Return expected photons of blurred points."""
    rng = np.random.default_rng(3)
    image = np.zeros(shape)
    count = image.size // 70
    image[rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)] = 1
    image = ndimage.gaussian_filter(image, 1.5, mode="wrap")
    return image / image.mean() * photons + background


# --- the number ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize(
    ("shape", "sigma_px", "noise"),
    [((192, 192), 1.2, 0.1), ((192, 192), 2.0, 0.3), ((150, 301), 1.5, 0.05), ((97, 192), 1.0, 0.5)],
)
def test_crossing_lies_where_the_expected_curve_crosses(shape, sigma_px, noise, threshold):
    found = [
        frc_resolution(*noisy_pair(seed, shape, sigma_px, noise), threshold=threshold) for seed in range(6)
    ]
    assert {result.status for result in found} == {"ok"}
    mean = np.mean([result.resolution_px for result in found])
    assert mean == pytest.approx(expected_resolution(found[0], sigma_px, noise), rel=0.03)


def test_the_spread_between_pairs_is_the_one_that_is_stated():
    found = [frc_resolution(*noisy_pair(seed)) for seed in range(60)]
    spread = np.std([result.resolution_px for result in found])
    assert np.mean([result.resolution_sd_px for result in found]) == pytest.approx(spread, rel=0.35)


def test_micrometres_follow_from_the_pixel():
    first, second = noisy_pair(0)
    result = frc_resolution(first, second, pixel_size_um=0.03)
    assert result.resolution_um == pytest.approx(0.03 * result.resolution_px)
    assert result.resolution_px == pytest.approx(1 / result.cutoff)
    assert frc_resolution(first, second).resolution_um is None


def test_smoothed_and_raw_curve_are_given_and_either_is_read():
    first, second = noisy_pair(1)
    smoothed, raw = (frc_resolution(first, second, smoothed=value) for value in (True, False))
    np.testing.assert_array_equal(smoothed.raw, raw.raw)
    for result, curve in ((smoothed, smoothed.smoothed), (raw, raw.raw)):
        assert np.interp(result.cutoff, result.frequency, curve - result.threshold_curve) == pytest.approx(
            0, abs=1e-9
        )
    assert np.abs(np.diff(smoothed.smoothed)).sum() < np.abs(np.diff(smoothed.raw)).sum() / 2


@pytest.mark.parametrize("window", ["tukey", "hann", "none"])
def test_every_window_finds_it(window):
    found = [frc_resolution(*noisy_pair(seed), window=window).resolution_px for seed in range(5)]
    assert np.mean(found) == pytest.approx(2.98, rel=0.03)


def test_result_is_ready_for_json_and_keeps_curves_out():
    line = json.loads(json.dumps(frc_resolution(*noisy_pair(2)).to_dict(), allow_nan=False))
    assert {"status", "resolution_px", "resolution_um", "threshold", "warnings", "shift_px"} <= set(line)
    assert not {"raw", "smoothed", "frequency"} & set(line)


# --- what is no resolution -----------------------------------------------------------------------------


def test_identical_images_are_named_up_to_gain_and_offset():
    image = noisy_pair(0)[0]
    for second in (image, 3 * image + 100):
        result = frc_resolution(image, second)
        assert (result.status, result.resolution_px) == ("identical", None)
        assert "noise is shared" in result.warnings[0]


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("smoothed", [True, False])
def test_pure_noise_has_no_resolution(threshold, smoothed):
    rng = np.random.default_rng(0)
    statuses = [
        frc_resolution(*rng.normal(size=(2, 48, 64)), threshold=threshold, smoothed=smoothed).status
        for _ in range(150)
    ]
    assert statuses.count("no-signal") == len(statuses)


def test_an_inverted_copy_has_no_resolution():
    image = noisy_pair(0)[0]
    assert frc_resolution(image, -image).status == "no-signal"


def test_detail_up_to_the_pixel_is_no_crossing_and_no_infinity():
    rng = np.random.default_rng(0)
    structure = rng.normal(size=(64, 64))
    result = frc_resolution(*(structure + 0.3 * rng.normal(size=(64, 64)) for _ in range(2)))
    assert (result.status, result.resolution_px, result.cutoff) == ("no-crossing", None, None)
    assert "Nyquist" in result.warnings[0]


def test_shared_noise_is_named_where_it_does_not_hide_the_crossing():
    rng = np.random.default_rng(0)
    fixed = 0.1 * rng.normal(size=(192, 192))
    pair = noisy_pair(0, sigma_px=2.0, noise=0.3)
    result = frc_resolution(*(image + fixed for image in pair))
    assert result.status == "ok"
    assert any("fixed pattern" in line for line in result.warnings)
    assert frc_resolution(*pair).warnings == ()


# --- shift ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [(0.35, -0.2), (3.4, 0.0), (-6.0, 2.5), (30.0, 20.0)])
def test_a_shift_is_found_named_and_undone(shift):
    photons = points()
    moved = ndimage.shift(photons, shift, order=5, mode="grid-wrap").clip(0)
    rng = np.random.default_rng(1)
    first, second = rng.poisson(photons), rng.poisson(moved)
    result = frc_resolution(first, second)
    assert result.shift_px == pytest.approx((-shift[0], -shift[1]), abs=0.1)
    assert "align" in " ".join(result.warnings)
    aligned = frc_resolution(first, second, align=True)
    still = frc_resolution(first, rng.poisson(photons))
    assert still.warnings == aligned.warnings == ()
    assert aligned.resolution_px == pytest.approx(still.resolution_px, rel=0.06)
    assert result.resolution_px is None or result.resolution_px > 1.005 * still.resolution_px


def test_unrelated_images_have_no_shift():
    rng = np.random.default_rng(0)
    assert frc_resolution(*rng.normal(size=(2, 64, 64))).shift_px == (0.0, 0.0)


# --- one image -----------------------------------------------------------------------------------------


def test_one_image_split_gives_what_two_of_half_the_light_give():
    photons = points()
    rng = np.random.default_rng(2)
    halves = [
        frc_resolution(rng.poisson(photons), gain=1.0, offset=0.0, seed=seed).resolution_px
        for seed in range(8)
    ]
    pairs = [frc_resolution(*rng.poisson(photons / 2, (2, *photons.shape))).resolution_px for _ in range(8)]
    assert np.mean(halves) == pytest.approx(np.mean(pairs), rel=0.02)


def test_all_photons_are_accounted_for_on_request():
    photons = points()
    rng = np.random.default_rng(2)
    pairs = [frc_resolution(*rng.poisson(photons, (2, *photons.shape))).resolution_px for _ in range(8)]
    split = {
        full: np.mean(
            [
                frc_resolution(rng.poisson(photons), gain=1, offset=0, full_photons=full).resolution_px
                for _ in range(8)
            ]
        )
        for full in (True, False)
    }
    assert split[True] == pytest.approx(np.mean(pairs), rel=0.02)
    assert split[False] > 1.03 * np.mean(pairs)


def test_camera_counts_are_split_by_the_estimated_gain():
    photons = points((256, 256))
    rng = np.random.default_rng(4)
    electrons = rng.poisson(photons)
    camera = 2.5 * (electrons + rng.normal(0, 1, photons.shape)) + 100
    result = frc_resolution(camera)
    assert result.method == "binomial-split"
    assert result.shift_px is None
    assert result.photon_scale.gain == pytest.approx(2.5, rel=0.15)
    assert result.resolution_px == pytest.approx(
        frc_resolution(electrons, gain=1, offset=0).resolution_px, rel=0.03
    )


@pytest.mark.parametrize(("gain", "direction"), [(0.5, "too small"), (2.0, "too large")])
def test_a_wrong_gain_is_seen_in_the_correlation_of_the_noise(gain, direction):
    image = np.random.default_rng(5).poisson(points((256, 256)))
    result = frc_resolution(image, gain=gain, offset=0.0)
    stated = next(line for line in result.warnings if "gain" in line)
    number = float(stated.split("gain looks ")[1].split()[0])
    assert number == pytest.approx(2, rel=0.12)
    assert direction in stated


def test_the_seed_makes_the_split():
    image = np.random.default_rng(5).poisson(points())
    one, again, other = (frc_resolution(image, gain=1, offset=0, seed=seed) for seed in (1, 1, 2))
    assert one.resolution_px == again.resolution_px != other.resolution_px


# --- frames --------------------------------------------------------------------------------------------


def test_a_series_is_split_into_even_and_odd_frames():
    frames = np.random.default_rng(6).poisson(points(), (10, 192, 192)).astype(float)
    result = frc_frame_split(frames)
    expected = frc_resolution(frames[::2].mean(axis=0), frames[1::2].mean(axis=0))
    assert result.resolution_px == expected.resolution_px
    assert result.method == "frame-split"
    halves = frc_frame_split(frames, split="halves")
    assert (
        halves.resolution_px == frc_resolution(frames[:5].mean(axis=0), frames[5:].mean(axis=0)).resolution_px
    )


def test_repeats_of_an_acquisition_keep_its_frames_in_order():
    """Frames that differ: a reconstruction that needs each in its place."""
    weights = np.array([1.0, -2.0, 4.0])
    scene = points()
    rng = np.random.default_rng(7)
    frames = rng.poisson(scene * np.array([1, 2, 3])[:, None, None], (4, 3, *scene.shape))
    seen = []

    def reconstruct(stack: np.ndarray) -> np.ndarray:
        seen.append(stack)
        return np.tensordot(weights, stack, 1)

    result = frc_frame_split(frames, reconstruct)
    np.testing.assert_allclose(seen[0], frames[[0, 2]].mean(axis=0))
    np.testing.assert_allclose(seen[1], frames[[1, 3]].mean(axis=0))
    assert result.status == "ok"


def test_one_acquisition_is_split_frame_by_frame():
    scene = points()
    weights = np.linspace(0.5, 1.5, 5)
    frames = np.random.default_rng(8).poisson(scene * weights[:, None, None])
    halves = []

    def reconstruct(stack: np.ndarray) -> np.ndarray:
        halves.append(stack)
        return stack.sum(axis=0)

    result = frc_frame_split(frames, reconstruct, split="binomial", gain=1.0, offset=0.0)
    np.testing.assert_allclose(halves[0] + halves[1], frames)
    assert halves[0].shape == frames.shape
    for half in halves:
        np.testing.assert_allclose(half.mean(axis=(1, 2)) * 2, frames.mean(axis=(1, 2)), rtol=0.02)
    expected = frc_resolution(frames.sum(axis=0), gain=1.0, offset=0.0).resolution_px
    assert result.resolution_px == pytest.approx(expected, rel=0.03)
    estimated = frc_frame_split(frames, split="binomial")
    assert estimated.photon_scale.gain == pytest.approx(1, rel=0.15)


def test_repeats_are_split_before_they_are_averaged():
    """The photons of all repeats count: the floor of the noise is 0 and the sum of the halves the mean."""
    frames = np.random.default_rng(9).poisson(points(), (4, 2, 192, 192))
    halves = []

    def reconstruct(stack: np.ndarray) -> np.ndarray:
        halves.append(stack)
        return stack[0]

    result = frc_frame_split(frames, reconstruct, split="binomial", gain=1.0, offset=0.0)
    np.testing.assert_allclose(halves[0] + halves[1], frames.mean(axis=0))
    assert result.warnings == ()
    expected = frc_resolution(frames[:, 0].sum(axis=0), gain=1.0, offset=0.0).resolution_px
    assert result.resolution_px == pytest.approx(expected, rel=0.03)


def test_an_odd_frame_is_left_out_and_said():
    frames = np.random.default_rng(6).poisson(points(), (5, 192, 192))
    result = frc_frame_split(frames)
    assert "last of 5 frames" in result.warnings[0]
    assert result.resolution_px == frc_frame_split(frames[:4]).resolution_px
