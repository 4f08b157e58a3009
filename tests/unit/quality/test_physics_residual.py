"""The physics round trip on simulated stacks: true images pass, planted errors do not, refusals are plain."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from dlsim_ij.acquisition import detect_acquisition
from dlsim_ij.acquisition.thinning import PhotonScale
from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.optics import Optics
from dlsim_ij.quality import physics_residual
from dlsim_ij.quality.physics_detail import compare_detail
from dlsim_ij.quality.physics_fit import Frames, fit_model
from dlsim_ij.quality.physics_forward import Mover, RawPlane, faded
from dlsim_ij.quality.physics_noise import measure_noise, trust_axes
from dlsim_ij.quality.physics_scan import ImagePlane, evidence, scan
from dlsim_ij.reconstruction import equalise_frames, estimate_offset, widefield, wiener_sim
from dlsim_ij.simulation import Camera, draw_structure, random_conditions, simulate_sim

SINGLE = (0, 5, 10)  # one phase per angle


def benchmark():
    path = Path(__file__).parents[3] / "benchmarks" / "hallucinations.py"
    spec = importlib.util.spec_from_file_location("hallucinations", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HALLUCINATIONS = benchmark()


@pytest.fixture(scope="module")
def bright():
    """Frames, true image and acquisition of one field at 300 photo-electrons."""
    return next(HALLUCINATIONS.fields(1, 300.0, seed=3))


@pytest.fixture(scope="module")
def wiener(bright):
    raw, _, acquisition = bright
    return wiener_sim(equalise_frames(raw, estimate_offset(raw)), acquisition.patterns, acquisition.optics)


@pytest.mark.parametrize("photons", [3.0, 30.0, 1000.0])
def test_true_images_pass(photons):
    for raw, truth, acquisition in HALLUCINATIONS.fields(5, photons, seed=4):
        found = physics_residual(truth, raw, acquisition)
        assert found.consistent, found
        # neither noise nor model is overrated: what is left looks like noise
        assert 0.3 * found.expected[1] < found.value
        assert 0.97 < found.frames_rms < 2.5
        assert max(np.abs(found.shift_px)) < 0.25


@pytest.mark.parametrize("error", HALLUCINATIONS.ERRORS)
@pytest.mark.parametrize("kind", ["truth", "wiener"])
def test_planted_errors_are_found(bright, wiener, kind, error):
    raw, truth, acquisition = bright
    image = truth if kind == "truth" else wiener
    assert physics_residual(image, raw, acquisition).consistent
    rng = np.random.default_rng(6)
    place = HALLUCINATIONS.bright_place(truth, rng)
    wrong = HALLUCINATIONS.ERRORS[error](image.astype(np.float64), place, rng)
    found = physics_residual(wrong, raw, acquisition)
    assert not found.consistent
    assert found.share > 0
    if error != "1 px shift, all":
        distance = np.hypot(found.where_px[0] - place[0], found.where_px[1] - place[1])
        assert distance < (25 if error == "added filament" else 18)
    y, x = found.where_px
    assert abs(found.map[y, x]) == pytest.approx(found.value)
    if error in ("added filament", "50 % brighter"):
        assert found.invented > found.missing
        assert found.map[y, x] < 0
        assert "shows light that the frames do not have" in found.sentence
    if error == "removed":
        assert found.missing > found.invented
        assert f"x {x}, y {y} px it lacks light" in found.sentence


def test_a_blurred_image_misses_detail_and_invents_nothing():
    raw, truth, acquisition = next(HALLUCINATIONS.fields(1, 1000.0, seed=3))
    sharp = physics_residual(truth, raw, acquisition)
    blurred = physics_residual(bicubic_enlarge(widefield(raw), 2), raw, acquisition)
    assert sharp.consistent
    assert blurred.consistent
    assert not sharp.misses_detail
    assert blurred.misses_detail
    assert blurred.finest_frames_px == pytest.approx(sharp.finest_frames_px, rel=0.15)
    # the optics alone pass nothing finer than their cut-off
    assert blurred.finest_image_px > 1 / acquisition.optics.cutoff_px
    assert "misses detail" in blurred.sentence


@pytest.mark.parametrize("photons", [10.0, 1000.0])
def test_an_image_of_another_field_is_no_blurred_one(photons):
    """Nothing in it is confirmed, so that fit and comparison must not retreat to nothing at all."""
    (raw, truth, acquisition), (_, other, _) = HALLUCINATIONS.fields(2, photons, seed=3)
    for wrong in (other, np.rot90(truth), -truth, np.random.default_rng(0).normal(size=truth.shape)):
        found = physics_residual(wrong, raw, acquisition)
        assert found.value > (1.2 if photons < 100 else 5) * found.expected[1]
        assert found.share > (0 if photons < 100 else 0.05)


def test_a_shift_of_the_whole_is_measured(bright):
    raw, truth, acquisition = bright
    found = physics_residual(np.roll(truth, (0, 1), axis=(0, 1)), raw, acquisition)
    assert found.shift_px == pytest.approx((0, -1), abs=0.35)
    assert not found.consistent


def test_one_phase_per_angle(bright):
    raw, truth, acquisition = bright
    found = physics_residual(truth, raw, acquisition, frames_used=SINGLE)
    assert found.consistent
    assert found.frames_used == 3
    assert found.finest_frames_px is None
    assert not found.misses_detail
    assert physics_residual(truth, raw[list(SINGLE)], acquisition, frames_used=SINGLE) == found
    rng = np.random.default_rng(1)
    place = HALLUCINATIONS.bright_place(truth, rng)
    wrong = HALLUCINATIONS.removed(truth, place, rng)
    assert not physics_residual(wrong, raw, acquisition, frames_used=SINGLE).consistent


def test_the_frames_of_one_angle_are_enough(bright):
    raw, truth, acquisition = bright
    assert physics_residual(truth, raw, acquisition, frames_used=range(5)).consistent
    rng = np.random.default_rng(1)
    wrong = HALLUCINATIONS.removed(truth, HALLUCINATIONS.bright_place(truth, rng), rng)
    assert not physics_residual(wrong, raw, acquisition, frames_used=range(5)).consistent


@pytest.mark.parametrize(
    ("n_angles", "n_phases", "pixel_um"), [(3, 3, 0.06), (2, 3, 0.06), (5, 5, 0.08), (3, 5, 0.1)]
)
def test_other_patterns_pixels_and_odd_sides(n_angles, n_phases, pixel_um):
    rng = np.random.default_rng([3, 1])
    density = draw_structure("actin", (288, 288), pixel_um / 2, rng)
    conditions = random_conditions(
        rng, optics=Optics(pixel_size_um=pixel_um), photons=(500, 501), n_angles=n_angles, n_phases=n_phases,
        like_paper=0.0,
    )  # fmt: skip
    stack = simulate_sim(density, conditions, rng)
    raw, truth = stack.raw[:, 16:-15, 16:-17], stack.object[32:-30, 32:-34]
    acquisition = detect_acquisition(
        raw, pixel_um, n_angles=n_angles, n_phases=n_phases, known=conditions.patterns
    )
    assert physics_residual(truth, raw, acquisition).consistent
    moved = physics_residual(np.roll(truth, 1, axis=0), raw, acquisition)
    assert not moved.consistent
    assert moved.shift_px == pytest.approx((-1, 0), abs=0.4)


def test_frames_that_no_image_explains_are_told(bright):
    raw, truth, acquisition = bright
    moving = np.stack([np.roll(frame, number // 5 * 2, axis=0) for number, frame in enumerate(raw)])
    still = physics_residual(truth, raw, acquisition)
    assert physics_residual(truth, moving, acquisition).frames_rms > 2 * still.frames_rms


class TestModel:
    """The parts by themselves, against what is known exactly."""

    def made(self, bright):
        raw, _, acquisition = bright
        cutoff = acquisition.optics.cutoff_px
        plane = RawPlane(raw.shape[1:], cutoff, 12)
        return plane, Mover(plane, acquisition.patterns), cutoff

    def test_going_back_is_the_adjoint_of_going_forward(self, bright):
        plane, mover, _ = self.made(bright)
        rng = np.random.default_rng(0)
        image = rng.random((2 * plane.shape[0], 2 * plane.shape[1]))
        fine = mover.transformed(image)
        bands = mover.bands(fine)
        other = (rng.normal(size=bands.shape) + 1j * rng.normal(size=bands.shape)).astype(np.complex64)
        back = mover.back(other)
        columns = np.full(back.shape[1], 2.0)
        columns[[0, -1]] = 1  # the others stand for both halves of the plane
        there = 2 * float((bands * other.conj()).real.sum())
        here = float(((fine[:, : back.shape[1]] * back.conj()).real * columns).sum())
        assert there == pytest.approx(here, rel=1e-3)

    def test_bands_are_the_image_times_the_pattern(self, bright):
        """Against the plain way: a fine picture of the illuminated image, summed over camera pixels."""
        _, _, acquisition = bright
        side = 64
        plane = RawPlane((side, side), acquisition.optics.cutoff_px, 12)
        mover = Mover(plane, acquisition.patterns)
        rng = np.random.default_rng(1)
        image = ndimage.gaussian_filter(rng.random((2 * side, 2 * side)), 2.0)
        dark = np.zeros_like(image)
        dark[32:-32, 32:-32] = 100 * image[32:-32, 32:-32]
        dark = ndimage.gaussian_filter(dark, 2.0)
        bands = mover.bands(mover.transformed(dark + 1))
        pattern = acquisition.patterns[1]
        native = (np.arange(2 * side) + 0.5) / 2 - 0.5
        ky, kx = pattern.frequency_px
        wave = np.exp(1j * (2 * np.pi * (ky * native[:, None] + kx * native) + pattern.phases_rad[0]))
        lit = faded(dark + 1, 24) * wave
        spectrum = np.fft.fft2(lit.reshape(side, 2, side, 2).mean(axis=(1, 3)))
        expected = plane.pair(spectrum)[0]
        # a sum over 2 x 2 points is the camera's pixel up to a few per cent at the cut-off
        error = np.abs(bands[1, mover.orders + 1] - expected)
        low = plane.radius < 0.2
        assert np.sqrt((error[low] ** 2).mean() / (np.abs(expected[low]) ** 2).mean()) < 0.05

    def test_fitted_strengths_and_filter_are_those_that_made_the_frames(self, bright):
        raw, truth, acquisition = bright
        plane, mover, cutoff = self.made(bright)
        bands = mover.bands(mover.transformed(truth))
        frames = Frames(
            spectra=plane.of_real(raw), angles=np.repeat(np.arange(3), 5),
            steps_rad=np.concatenate([p.steps_rad for p in acquisition.patterns]),
            variance=float(measure_noise(raw, cutoff).of(raw.mean()) * raw[0].size),
            trusted=np.ones(len(plane)),
        )  # fmt: skip
        fitted = fit_model(bands, frames, mover, cutoff)
        measured = np.array([p.modulation for p in acquisition.patterns]) / 2
        # haze makes the acquisition's own measure low
        assert (fitted.strengths[:, 1:] > 0.9 * measured).all()
        assert fitted.strengths[:, 0] == pytest.approx(np.ones(3), abs=0.05)
        # the truth is under a cosine that ends at the SIM cut-off, so it has to be raised towards it
        finest = cutoff + max(p.orders / p.period_px for p in acquisition.patterns)
        radius = np.linspace(0.1, 0.6, 6) * finest
        raised = fitted.undone(radius) / fitted.undone(radius[:1])
        wanted = np.cos(np.pi / 2 * 0.1) / np.cos(np.pi / 2 * radius / finest)
        assert raised == pytest.approx(wanted, rel=0.12)

    def test_the_expected_range_is_that_of_noise(self, bright):
        raw, truth, acquisition = bright
        plane, mover, cutoff = self.made(bright)
        fine = mover.transformed(truth)
        frames = Frames(
            spectra=plane.of_real(raw), angles=np.repeat(np.arange(3), 5),
            steps_rad=np.concatenate([p.steps_rad for p in acquisition.patterns]), variance=1.0,
            trusted=np.ones(len(plane)),
        )  # fmt: skip
        part = ImagePlane(mover, cutoff)
        found = evidence(
            fine, fit_model(mover.bands(fine), frames, mover, cutoff), frames, mover, part, cutoff
        )
        window = compare_detail(found, part, cutoff).window
        rng = np.random.default_rng(2)
        largest = []
        for _ in range(60):
            white = rng.normal(size=(2, *part.radius.shape)) * np.sqrt(found.noise / 2)
            white[:, :, 0] = (white[:, :, 0] + [[1], [-1]] * white[:, ::-1, 0]) / np.sqrt(
                2
            )  # of a real image
            noise = dataclasses.replace(
                found, left=white[0] + 1j * white[1], shown=np.zeros_like(found.shown)
            )
            done = scan(noise, window, np.ones(plane.shape), part, cutoff, 16, 0.0, 1.0)
            largest.append(np.abs(done.map).max())
        low, high = done.expected
        assert np.mean(np.array(largest) > high) <= 0.05
        assert np.mean(np.array(largest) < low) <= 0.1
        assert 0.8 * high < np.median(largest)


def test_rows_and_columns_of_the_camera_are_trusted_as_far_as_they_are_even():
    rng = np.random.default_rng(1)
    electrons = np.full((15, 96, 96), 3.0)
    plane = RawPlane((96, 96), 0.34, 12)
    weights = {}
    for fixed in (0.0, 0.14):
        camera = Camera(row_column_electrons=fixed)
        weights[fixed] = trust_axes(camera.expose(electrons, rng).mean(axis=0), plane, 0.34)
    on_axes = (plane.fx == 0) | (plane.fy == 0)
    assert on_axes.sum() == 2 * 32
    assert (weights[0.14][~on_axes] == 1).all()
    assert weights[0.0][on_axes].min() > 0.5
    # 0.02 squared electrons, 96 times in a row's sum, against 3.5 in each of 15 frames
    assert 0.05 < weights[0.14][on_axes].mean() < 0.25


def test_what_is_kept_of_a_real_image_gives_it_back():
    plane = RawPlane((40, 54), 0.34, 6)
    rng = np.random.default_rng(2)
    spectrum = np.fft.fft2(rng.normal(size=(40, 54)))
    fy, fx = np.meshgrid(np.fft.fftfreq(40), np.fft.fftfreq(54), indexing="ij")
    radius = np.hypot(fy, fx)
    wanted = np.fft.ifft2(np.where((radius > 0) & (radius < 0.34), spectrum, 0))
    assert abs(wanted.imag).max() < 1e-12
    np.testing.assert_allclose(plane.real(plane.pair(spectrum)[0]), wanted.real, atol=1e-5)
    np.testing.assert_allclose(np.fft.ifft2(plane.full(*plane.pair(spectrum))), wanted, atol=1e-5)


class TestNoise:
    def frames(self, gain=2.0, offset=100.0, **camera):
        rng = np.random.default_rng(0)
        level = 5 + 60 * ndimage.gaussian_filter((rng.random((128, 128)) > 0.97).astype(float), 2.0) / 0.04
        electrons = np.repeat(level[None], 5, axis=0)
        made = Camera(gain_adu_per_electron=gain, offset_adu=offset, read_noise_electrons=1.5, **camera)
        return made.expose(electrons, rng), gain**2 * (level + 1.5**2)

    @pytest.mark.parametrize("hot", [0.0, 3e-4])
    def test_is_measured_beyond_the_cut_off(self, hot):
        raw, variance = self.frames(hot_pixel_fraction=hot)
        line = measure_noise(raw, 0.34)
        counts = raw.mean(axis=0)
        typical = line.of(np.quantile(counts, [0.1, 0.5, 0.9]))
        wanted = np.quantile(variance, [0.1, 0.5, 0.9])
        assert typical == pytest.approx(wanted, rel=0.08 if not hot else 0.2)
        assert line.slope == pytest.approx(2.0, rel=0.1 if not hot else 0.25)

    def test_is_taken_from_the_camera_if_known(self):
        raw, _ = self.frames()
        scale = PhotonScale(gain=2.0, offset=95.5, source="given", gain_error=None, whiteness=None)
        assert measure_noise(raw, 0.34, scale).of(np.array([195.5])) == pytest.approx([200.0])

    def test_coarse_pixels_leave_little_room(self):
        raw, variance = self.frames()
        line = measure_noise(raw, 0.56)
        assert line.of(np.median(raw)) == pytest.approx(np.median(variance), rel=0.2)


def refused(error, match, image, frames, acquisition, **options):
    with pytest.raises(error, match=match) as caught:
        physics_residual(image, frames, acquisition, **options)
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_refusals(bright):
    raw, truth, acquisition = bright
    refused(ImageError, "256 x 254 pixels, the frames 128 x 128", truth[:, 1:-1], raw, acquisition)
    refused(ImageError, "128 x 128 pixels, the frames 128", truth[::2, ::2], raw, acquisition)
    broken = truth.copy()
    broken[3, 4] = np.nan
    refused(ImageError, "1 NaN or infinite", broken, raw, acquisition)
    refused(ImageError, "image is constant", np.ones_like(truth), raw, acquisition)
    refused(ImageError, "frames hold NaN", truth, np.where(raw == raw.max(), np.nan, raw), acquisition)
    dead = raw.copy()
    dead[6] = 100
    refused(ImageError, "frame 7 of 15 is constant", truth, dead, acquisition)
    refused(ImageError, "at least 56 x 56", truth[:80, :80], raw[:, :40, :40], acquisition)
    refused(ImageError, "shape 128 x 128", truth, raw[0], acquisition)
    refused(LayoutError, "14 frames do not fit an acquisition of 15", truth, raw[:14], acquisition)
    refused(LayoutError, r"frames_used is \(0, 15\)", truth, raw, acquisition, frames_used=(0, 15))
    refused(LayoutError, r"frames_used is \(2, 2\)", truth, raw, acquisition, frames_used=(2, 2))
    refused(LayoutError, r"frames_used is \(\)", truth, raw, acquisition, frames_used=())
    unfit = dataclasses.replace(acquisition, fit=False, warnings=(("No pattern.", "Try again."),))
    refused(LayoutError, "not fit to predict frames: No pattern", truth, raw, unfit)


def test_frames_without_noise_are_refused():
    rng = np.random.default_rng(0)
    density = draw_structure("actin", (192, 192), 0.03, rng)
    stack = simulate_sim(density, random_conditions(rng, photons=(300, 301)), rng)
    acquisition = detect_acquisition(stack.raw, 0.06)
    clean = stack.electrons.astype(np.float64)
    refused(ImageError, "hold no noise", stack.object, clean, acquisition)


@pytest.mark.sample
def test_the_public_microtubules(sample_dir):
    """Real frames: the Wiener image passes, errors planted into it do not."""
    from dlsim_ij.images import read_image, undo_enlargement

    files = sorted(sample_dir.glob("**/HE_X2/**/HE_*.tif"))[:15]
    native = undo_enlargement(np.stack([read_image(file).values for file in files])).frames
    acquisition = detect_acquisition(native, 0.06)
    image = wiener_sim(
        equalise_frames(native, estimate_offset(native)), acquisition.patterns, acquisition.optics
    )
    assert physics_residual(image, native, acquisition).consistent
    assert physics_residual(image, native, acquisition, frames_used=SINGLE).consistent
    rng = np.random.default_rng(0)
    place = HALLUCINATIONS.bright_place(image, rng)
    for error in HALLUCINATIONS.ERRORS.values():
        wrong = error(image.astype(np.float64), place, rng)
        assert not physics_residual(wrong, native, acquisition).consistent, error
