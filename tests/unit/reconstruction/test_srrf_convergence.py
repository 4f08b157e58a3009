"""eSRRF against a slow double-precision twin, and what its options do."""

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.reconstruction import esrrf, srrf

STACK = tifffile.imread(Path(__file__).parents[2] / "reference" / "srrf" / "stack.tif")


def cubic(t):
    t = abs(t)
    return 1.5 * t**3 - 2.5 * t**2 + 1 if t < 1 else -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def sample(image, y, x):
    """Catmull-Rom where pixel k stands at k."""
    i, j = int(np.floor(y)), int(np.floor(x))
    return sum(
        image[i + a, j + b] * cubic(y - i - a) * cubic(x - j - b) for a in range(-1, 3) for b in range(-1, 3)
    )


def twin(frame, y_out, x_out, m, radius, sensitivity=1.0):
    """One output pixel: every gradient of the half-pixel grid votes by itself."""
    frame = frame.astype(float)
    gx, gy = np.diff(frame, axis=1, prepend=frame[:, :1]), np.diff(frame, axis=0, prepend=frame[:1])
    sigma, yc, xc = radius / 2.354, (y_out + 0.5) / m, (x_out + 0.5) / m
    votes = weights = 0.0
    for v in np.arange(np.floor(yc) - 5, np.floor(yc) + 6, 0.5):
        for u in np.arange(np.floor(xc) - 5, np.floor(xc) + 6, 0.5):
            away = np.hypot(v - yc, u - xc)
            if not 0 < away <= 2 * sigma + 1:
                continue
            weight = (away * np.exp(-(away**2) / (2 * sigma**2))) ** 4
            weights += weight
            here_x, here_y = sample(gx, v - 0.5, u), sample(gy, v, u - 0.5)
            if here_x * (u - xc) + here_y * (v - yc) < 0:
                miss = abs(here_y * (xc - u) - here_x * (yc - v)) / np.hypot(here_x, here_y)
                votes += weight * (1 - miss / away)
    return (votes / weights) ** sensitivity, max(sample(frame, yc - 0.5, xc - 0.5), 0)


@pytest.mark.parametrize(
    ("m", "radius", "sensitivity"), [(5, 1.5, 1), (1, 1.5, 1), (2, 0.5, 1), (4, 2.0, 2.5), (3, 4.0, 1)]
)
def test_equals_its_double_precision_twin(m, radius, sensitivity):
    pixels = np.random.default_rng(0).integers(12 * m, 36 * m, (12, 2))
    found = esrrf(STACK[:1], m, radius, sensitivity, minimise_patterning=False)
    expected = [np.multiply(*twin(STACK[0], y, x, m, radius, sensitivity)) for y, x in pixels]
    np.testing.assert_allclose(found[tuple(pixels.T)], expected, rtol=2e-5, atol=3e-6 * max(expected))


@pytest.mark.parametrize("mode", ["AVG", "VAR", "TAC2"])
def test_modes_are_their_formulas(mode):
    frames, pixels = STACK[:7], np.random.default_rng(2).integers(26, 70, (8, 2))
    product = np.array([[np.multiply(*twin(frame, y, x, 2, 1.5)) for y, x in pixels] for frame in frames])
    centred = product - product.mean(axis=0)
    expected = {
        "AVG": product.mean(axis=0),
        "VAR": (centred**2).mean(axis=0),
        "TAC2": (centred[:-1] * centred[1:]).sum(axis=0) / 6,
    }[mode]
    found = esrrf(frames, 2, mode=mode, minimise_patterning=False)[tuple(pixels.T)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5 * np.abs(expected).max())


def test_without_intensity_weighting_convergence_alone_counts():
    y, x = 100, 120
    found = esrrf(STACK[:1], 5, intensity_weighting=False, minimise_patterning=False)
    assert found[y, x] == pytest.approx(twin(STACK[0], y, x, 5, 1.5)[0], rel=1e-5)
    assert 0 <= found.min() < found.max() < 1


def test_no_gradient_no_vote():
    frame = np.zeros((24, 24))
    frame[12, 12] = 5.0
    found = esrrf([frame, frame], 2, intensity_weighting=False, minimise_patterning=False, extend_edges=True)
    assert found[24:26, 24:26].min() > 0.2
    assert not found[:14].any()
    assert not found[:, 36:].any()
    assert not esrrf([np.full((24, 24), 3.0)]).any()


@pytest.mark.parametrize("m", [2, 5, 10])
@pytest.mark.parametrize("method", [srrf, esrrf])
def test_a_spot_stays_where_it_is(method, m):
    y, x = np.mgrid[:32, :32] + 0.5
    spot = 100 * np.exp(-((y - 15.3) ** 2 + (x - 16.1) ** 2) / (2 * 1.5**2))
    image = method([spot], m, minimise_patterning=False)
    centres = (np.arange(32 * m) + 0.5) / m
    found = [(image.sum(axis=axis) * centres).sum() / image.sum() for axis in (1, 0)]
    assert found == pytest.approx([15.3, 16.1], abs=0.01)


def test_patterning_is_divided_out_and_the_mean_kept():
    kept, less = (esrrf(STACK, 5, mode="VAR", minimise_patterning=choice) for choice in (False, True))
    used = less[25:-25, 25:-25].reshape(38, 5, 38, 5)
    means, before = used.mean(axis=(0, 2)), kept[25:-25, 25:-25].reshape(38, 5, 38, 5).mean(axis=(0, 2))
    assert np.ptp(means) / means.mean() < np.ptp(before) / before.mean() / 2
    assert less.mean() == pytest.approx(kept.mean(), rel=0.02)


def test_whole_pixel_drift_is_exactly_undone_and_a_stream_will_do():
    drift = np.array([(n % 2, -n) for n in range(6)])
    moved = (np.roll(frame, tuple(d), axis=(0, 1)) for frame, d in zip(STACK[:6], drift, strict=True))
    still = esrrf(STACK[:6], 3, minimise_patterning=False)
    found = esrrf(moved, 3, drift=drift, minimise_patterning=False)
    np.testing.assert_array_equal(found[36:-36, 36:-36], still[36:-36, 36:-36])


def test_drift_below_the_pixel_moves_the_grid_with_the_object():
    """A smooth spot that moves by a fraction of a pixel gives the image of the spot that does not."""
    y, x = np.mgrid[:32, :32] + 0.5

    def spot(drift):
        return 100 * np.exp(-((y - 15.3 - drift[0]) ** 2 + (x - 16.1 - drift[1]) ** 2) / (2 * 1.5**2))

    drift = [(0, 0), (0.37, -0.21), (-0.4, 0.5)]
    still = esrrf([spot((0, 0))] * 3, 4, minimise_patterning=False)
    found = esrrf([spot(d) for d in drift], 4, drift=drift, minimise_patterning=False)
    ignored = esrrf([spot(d) for d in drift], 4, minimise_patterning=False)
    inner = np.s_[24:-24, 24:-24]
    assert np.abs(found - still)[inner].max() < 0.02 * still.max()  # the two grids sample differently
    assert np.abs(ignored - still)[inner].max() > 0.05 * still.max()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"mode": "TRA"}, ConfigError, "no eSRRF mode is called 'TRA'"),
        ({"radius_px": 9}, ConfigError, "radius: 9 px is not between 0.5 and 5 px"),
        ({"sensitivity": 0}, ConfigError, "sensitivity: 0 is not between 0.5 and 10"),
        ({"magnification": 0}, ConfigError, "magnification: 0"),
        ({"mode": "VAR", "block": 1}, ConfigError, "block: 1 is not a whole number from 2"),
        ({"frames": STACK[:1], "mode": "TAC2"}, ImageError, "1 frame(s) are too few"),
        ({"frames": STACK[:, :7]}, ImageError, "too small: nothing is left"),
    ],
)
def test_what_cannot_be_done_is_said(options, error, said):
    with pytest.raises(error, match=re.escape(said)) as caught:
        esrrf(options.pop("frames", STACK), **options)
    assert caught.value.hint
