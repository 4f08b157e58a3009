import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.errors import ConfigError, LayoutError
from dlsim_ij.optics import Optics, Pattern, mixing_matrix, otf_profile, separate_bands
from dlsim_ij.optics.pattern import equal_steps


def test_the_cutoff_is_two_na_over_wavelength():
    optics = Optics(na=1.4, emission_nm=500, pixel_size_um=0.1)
    assert optics.cutoff_px == pytest.approx(0.56)


@pytest.mark.parametrize("wrong", [{"na": 3}, {"emission_nm": 0.525}, {"pixel_size_um": 60}])
def test_implausible_optics_are_refused(wrong):
    with pytest.raises(ConfigError) as caught:
        Optics(**wrong)
    assert caught.value.hint


def test_the_transfer_equals_the_autocorrelation_of_a_disc():
    side = 256
    y, x = np.indices((side, side)) - side // 2
    pupil = (np.hypot(y, x) < 40.25).astype(float)  # cut-off: 80.5 samples
    autocorrelation = np.fft.fftshift(np.fft.ifft2(np.abs(np.fft.fft2(pupil)) ** 2).real)
    line = autocorrelation[side // 2, side // 2 : side // 2 + 100] / autocorrelation.max()
    np.testing.assert_allclose(otf_profile(np.arange(100.0), 80.5), line, atol=0.01)


def test_damping_only_lowers_the_transfer():
    frequency = np.linspace(0, 1, 50)
    plain, damped = otf_profile(frequency, 0.8), otf_profile(frequency, 0.8, 0.3)
    assert damped[0] == plain[0] == 1
    assert (damped <= plain).all()
    assert damped[25] == pytest.approx(plain[25] * 0.3 ** (frequency[25] / 0.8))


@given(angle=st.floats(-179, 179), period=st.floats(2.1, 30))
def test_a_pattern_knows_its_direction_and_period(angle, period):
    frequency = np.sin(np.radians(angle)) / period, np.cos(np.radians(angle)) / period
    pattern = Pattern(frequency_px=frequency, phases_rad=(0.0,), steps_rad=(0.0,), modulation=(1.0,))
    assert pattern.period_px == pytest.approx(period)
    assert -90 < pattern.angle_deg <= 90
    assert abs((pattern.angle_deg - angle + 90) % 180 - 90) < 1e-6


@pytest.mark.parametrize(("orders", "n_phases"), [(1, 3), (1, 4), (2, 5), (2, 7)])
def test_bands_are_separated_exactly(orders, n_phases):
    rng = np.random.default_rng(0)
    truth = [rng.normal(size=(6, 7)) + (1j * rng.normal(size=(6, 7)) if m else 0) for m in range(orders + 1)]
    steps = tuple(s + 0.1 * rng.normal() for s in equal_steps(n_phases))
    frames = np.stack([
        truth[0].real + sum(2 * (truth[m] * np.exp(1j * m * s)).real for m in range(1, orders + 1))
        for s in steps
    ])  # fmt: skip
    for band, expected in zip(separate_bands(frames, steps, orders), truth, strict=True):
        np.testing.assert_allclose(band, expected, atol=1e-10)


def test_phases_that_cannot_separate_are_refused():
    with pytest.raises(LayoutError, match="cannot separate 5 bands"):
        mixing_matrix(equal_steps(4), 2)
    with pytest.raises(LayoutError, match="right order"):
        mixing_matrix((0.0, 0.0, 2.0), 1)
