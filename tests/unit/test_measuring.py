"""Measures of a run on an object that is known: what should come out, and what an unusable image gives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from dlsim_ij.acquisition.layout import Acquisition
from dlsim_ij.measuring import measure
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.optics.pattern import equal_steps
from dlsim_ij.quality.resolution import image_resolution

SIDE = 96  # of the camera
OFFSET = 100


@pytest.fixture(scope="module")
def acquisition() -> Acquisition:
    patterns = tuple(
        Pattern(
            frequency_px=(0.125 * np.sin(angle), 0.125 * np.cos(angle)),
            phases_rad=(0.0, 0.0),
            steps_rad=equal_steps(5),
            modulation=(0.5, 0.2),
            snr=(9.0,),
        )
        for angle in np.radians((0, 60, 120))
    )
    return Acquisition(
        n_angles=3, n_phases=5, order="angle-major", patterns=patterns,
        optics=Optics(na=1.4, emission_nm=560, pixel_size_um=0.06), warnings=(), fit=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def structure() -> np.ndarray:
    rng = np.random.default_rng(2)
    return 400 * ndimage.gaussian_filter((rng.random((2 * SIDE, 2 * SIDE)) > 0.97).astype(float), 1.2) / 0.11


@pytest.fixture(scope="module")
def frames(structure) -> np.ndarray:
    blurred = ndimage.gaussian_filter(structure, 3.0, mode="nearest")
    camera = blurred.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    photons = np.random.default_rng(3).poisson(camera, (15, SIDE, SIDE))
    return (photons * 2 + OFFSET).astype(np.uint16)


def enlarged_mean(stack: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(stack.mean(axis=0), 2, axis=0), 2, axis=1)


def test_a_true_image_agrees_and_is_finer(frames, structure, acquisition):
    rng = np.random.default_rng(4)
    image = ndimage.gaussian_filter(structure, 0.8) + rng.normal(0, 1.0, structure.shape)
    found = measure(frames, {"sr": image}, acquisition=acquisition, pixel_size_um=0.06)
    numbers = found.metrics()
    assert found.warnings == ()
    assert numbers["rsp"] > 0.99
    # blur of 3 px less the 0.8 that the image has already, in camera pixels; the camera's own is known
    assert numbers["rsp_sigma_px"] == pytest.approx(np.sqrt(3.0**2 - 0.8**2) / 2, rel=0.03)
    assert numbers["rsp_sigma_um"] == pytest.approx(0.06 * numbers["rsp_sigma_px"])
    assert not numbers["rsp_sigma_at_bound"]
    assert numbers["resolution_nm"] == pytest.approx(30 * numbers["resolution_px"])
    assert numbers["resolution_nm"] < 0.7 * numbers["widefield"]["resolution_nm"]
    # pixels of the result everywhere, so that they can be compared
    wide = numbers["widefield"]
    assert wide["resolution_nm"] == pytest.approx(30 * wide["resolution_px"])
    assert found.error_map.shape == structure.shape
    assert np.sqrt(np.mean(np.square(found.error_map, dtype=np.float64))) == pytest.approx(
        numbers["rse"], rel=1e-4
    )
    assert "frc_status" not in numbers
    assert numbers["residual_consistent"]
    assert numbers["residual"] < numbers["residual_limit"]
    assert np.abs(found.residual_map).max() == pytest.approx(numbers["residual"])
    assert numbers["measuring_seconds"] > 0


def test_the_limit_is_that_of_optics_and_pattern(frames, structure, acquisition):
    found = measure(frames, {"sr": structure}, acquisition=acquisition, pixel_size_um=0.06)
    # 2 NA / wavelength is 1 / 200 nm; the finest pattern, of two orders, has 0.25 cycles a pixel: 1 / 240 nm
    assert found.limit_nm == pytest.approx(1 / (1 / 200 + 1 / 240))


def test_another_image_is_recognised(frames, structure, acquisition):
    turned = np.rot90(structure)
    images = {"sr": turned, "wiener": structure}
    numbers = measure(frames, images, acquisition=acquisition, pixel_size_um=0.06).metrics()
    assert numbers["rsp"] < 0.5 < 0.95 < numbers["wiener"]["rsp"]
    assert numbers["rse"] > 3 * numbers["wiener"]["rse"]
    assert numbers["residual"] > 3 * numbers["wiener"]["residual"]
    assert not numbers["residual_consistent"]
    assert numbers["wiener"]["residual_consistent"]


def test_half_of_the_light_is_reconstructed_twice(frames, structure, acquisition):
    seen = []

    def network(half):
        seen.append(half)
        return enlarged_mean(half)

    halves = {"sr": network, "wiener": lambda half: 3 * enlarged_mean(half)}
    images = {"sr": enlarged_mean(frames), "wiener": enlarged_mean(frames)}
    found = measure(frames, images, acquisition=acquisition, pixel_size_um=0.06, halves=halves)
    assert len(seen) == 2
    # together they are the frames less the offset that was found, with noise of their own
    total = seen[0] + seen[1]
    np.testing.assert_allclose(np.ptp(frames - total), 0, atol=1e-6)
    assert abs(np.corrcoef((seen[0] - seen[1]).ravel(), total.ravel())[0, 1]) < 0.02
    numbers = found.metrics()
    assert set(found.frc) == {"sr", "wiener", "widefield"}
    assert numbers["frc_status"] == numbers["wiener"]["frc_status"] == "ok"
    assert numbers["frc_resolution_px"] == pytest.approx(numbers["wiener"]["frc_resolution_px"])
    # a mean has the resolution of the widefield image, whatever its pixels
    assert numbers["frc_resolution_nm"] == pytest.approx(numbers["widefield"]["frc_resolution_nm"], rel=0.1)
    assert len(numbers["resolution_half_light_nm"]) == 2


def test_without_pixel_size_lengths_are_in_pixels(frames, structure, acquisition):
    numbers = measure(frames, {"sr": structure}, acquisition=acquisition, pixel_size_um=None).metrics()
    assert numbers["resolution_px"] > 2
    assert "resolution_nm" not in numbers or numbers["resolution_nm"] is None
    assert "resolution_limit_nm" not in numbers


def test_an_image_that_cannot_be_measured_is_a_warning(frames, acquisition):
    empty = np.zeros((2 * SIDE, 2 * SIDE))
    found = measure(frames, {"sr": empty}, acquisition=acquisition, pixel_size_um=0.06)
    assert found.error_map is found.residual_map is None
    assert {"rsp", "resolution_nm"} & set(found.metrics()) == set()
    assert [what.partition(":")[0] for what, _ in found.warnings] == [
        "Resolution of the result", "RSP and RSE of the result", "Round trip of the result",
    ]  # fmt: skip


def test_enlarged_pixels_are_a_warning_and_a_factor(frames, acquisition):
    found = measure(frames, {"sr": enlarged_mean(frames)}, acquisition=acquisition, pixel_size_um=0.06)
    numbers = found.metrics()
    assert numbers["enlarged_factor"] == 2
    assert numbers["resolution_nm"] == pytest.approx(numbers["widefield"]["resolution_nm"], rel=0.02)
    assert any("enlarged" in what for what, _ in found.warnings)
    assert not numbers["residual_pattern"]


def test_a_pattern_that_was_left_is_named(frames, structure, acquisition):
    y, x = np.mgrid[: 2 * SIDE, : 2 * SIDE]
    image = structure * (1 + 0.4 * np.sin(2 * np.pi * (0.21 * x + 0.13 * y)))
    found = measure(frames, {"sr": image}, acquisition=acquisition, pixel_size_um=0.06)
    assert found.metrics()["residual_pattern"]
    (hint,) = [hint for what, hint in found.warnings if "regular pattern" in what]
    assert hint[0].isupper()  # a sentence of the report
    assert hint.endswith(".")


def test_coloured_noise_is_no_news_in_a_reconstruction(frames, structure, acquisition):
    noise = ndimage.gaussian_filter(np.random.default_rng(5).normal(0, 60, structure.shape), 0.9)
    image = structure + noise
    known = [what for what, _ in image_resolution(image).warnings if "not white" in what]
    assert known, "the guard's words have changed: see _KNOWN_DOUBT"
    found = measure(frames, {"sr": image}, acquisition=acquisition, pixel_size_um=0.06)
    assert not any("not white" in what for what, _ in found.warnings)


def test_an_acquisition_that_was_forced_is_not_predicted_from(frames, structure, acquisition):
    forced = dataclasses.replace(acquisition, fit=False, warnings=(("No pattern.", "Look."),))
    found = measure(frames, {"sr": structure, "wiener": structure}, acquisition=forced, pixel_size_um=0.06)
    (said,) = [what for what, _ in found.warnings if what.startswith("Round trip")]
    assert "No pattern" in said
    assert "residual" not in found.metrics()
