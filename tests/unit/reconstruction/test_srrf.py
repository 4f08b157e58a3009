"""SRRF against the published kernel, a slow double-precision twin, and what must hold for any frames."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.reconstruction import srrf
from dlsim_ij.reconstruction.srrf_ring import RingKernel

REFERENCE = Path(__file__).parents[2] / "reference" / "srrf"
STACK = tifffile.imread(REFERENCE / "stack.tif")
SMALL = STACK[:8, 10:34, 8:34]  # 24 x 26


def catmull_rom(image, y, x):
    """Sample at (y, x), pixel k covering k to k + 1; sixteen taps, one by one."""

    def weight(t):
        t = np.abs(t)
        return np.where(
            t < 1,
            1.5 * t**3 - 2.5 * t**2 + 1,
            np.where(t < 2, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2, 0),
        )

    row, column = np.floor(y - 0.5).astype(int), np.floor(x - 0.5).astype(int)
    total = np.zeros(np.broadcast(y, x).shape)
    for i in range(-1, 3):
        for j in range(-1, 3):
            pixels = image[
                np.clip(row + i, 0, image.shape[0] - 1), np.clip(column + j, 0, image.shape[1] - 1)
            ]
            total += pixels * weight(y - (row + i + 0.5)) * weight(x - (column + j + 0.5))
    return total


def twin(frame, m, radius, axes, drift=(0, 0)):
    """Radiality and intensity by distances from a point to a line, as the paper draws them."""
    padded = np.pad(frame.astype(float), 1, mode="edge")
    gx, gy = padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]
    height, width = frame.shape
    yc, xc = np.meshgrid(
        (np.arange(height * m) + 0.5) / m + drift[0],
        (np.arange(width * m) + 0.5) / m + drift[1],
        indexing="ij",
    )
    total = 0
    for k in range(2 * axes):
        y, x = yc + radius * np.sin(np.pi * k / axes), xc + radius * np.cos(np.pi * k / axes)
        here_x, here_y = catmull_rom(gx, y, x), catmull_rom(gy, y, x)
        strength = np.hypot(here_x, here_y)
        with np.errstate(invalid="ignore", divide="ignore"):
            miss = np.abs(here_y * (xc - x) - here_x * (yc - y)) / strength
        vote = np.where(strength > 0, (1 - miss / radius) ** 2, 0)
        total += np.where(here_x * (x - xc) + here_y * (y - yc) > 0, -vote, vote)
    return np.maximum(total / (2 * axes), 0), np.maximum(catmull_rom(frame.astype(float), yc, xc), 0)


def inner(image, margin):
    return image[margin:-margin, margin:-margin]


@pytest.mark.parametrize(("mode", "largest"), [("TRA", 1e-5), ("TRM", 3e-5)])
def test_equals_the_published_kernel(mode, largest):
    expected = inner(tifffile.imread(REFERENCE / f"{mode}.tif"), 20)
    found = inner(srrf(STACK, 5, 0.5, 6, mode), 20)
    difference = np.abs(found - expected) / expected.max()
    assert difference.max() < largest
    assert np.count_nonzero(difference > 1e-5) <= 3  # of 40000: almost no gradient, see the README there
    assert np.sqrt(np.mean((found - expected) ** 2)) < 1e-5 * np.sqrt(np.mean(expected**2))


@pytest.mark.parametrize(
    ("m", "radius", "axes"), [(5, 0.5, 6), (1, 0.5, 6), (2, 1.3, 3), (3, 3.0, 5), (10, 0.1, 2), (4, 0.7, 8)]
)
def test_equals_its_double_precision_twin(m, radius, axes):
    radiality, intensity = (
        np.array(part) for part in zip(*(twin(f, m, radius, axes) for f in SMALL), strict=True)
    )
    margin = int(np.ceil((1.5 + radius) * m))
    for mode, expected in (("TRA", np.mean), ("TRM", np.max)):
        truth = inner(expected(radiality * intensity, axis=0), margin)
        found = inner(srrf(SMALL, m, radius, axes, mode), margin)
        np.testing.assert_allclose(found, truth, rtol=0, atol=5e-6 * truth.max())


def test_points_without_a_gradient_do_not_vote():
    frame = np.zeros((24, 24), np.uint16)
    frame[12, 12] = 1000  # most ring points lie in the flat rest
    radiality, _ = twin(frame, 3, 2.0, 4)
    found = srrf([frame], 3, 2.0, 4, intensity_weighting=False)
    assert np.mean(inner(radiality, 12) == 0) > 0.3
    np.testing.assert_allclose(inner(found, 12), inner(radiality, 12), atol=2e-6)
    assert not srrf([np.full((20, 20), 7.0)]).any()


def test_drift_is_taken_out_below_the_pixel():
    drift = np.array([[0, 0], [0.3, -0.2], [1.7, 0.5], [-2.5, 3.1]])
    expected = np.mean(
        [np.multiply(*twin(frame, 4, 0.5, 6, moved)) for frame, moved in zip(STACK[:4], drift, strict=True)],
        axis=0,
    )
    found = srrf(STACK[:4], 4, drift=drift)
    used = found != 0
    np.testing.assert_allclose(found[used], expected[used], rtol=0, atol=2e-6 * expected.max())
    # blank is what lies within 2 px, of ring and taps, of the edge of any of the moved frames
    rows, columns = (np.flatnonzero(used.any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (18, 176)  # centres from 2 + 2.5 px to 48 - 2 - 1.7 px
    assert (columns[0], columns[-1]) == (9, 171)  # from 2 + 0.2 px to 48 - 2 - 3.1 px
    assert used[18:177, 9:172].mean() > 0.9


def moved_by(stack, drift):
    return np.stack([np.roll(frame, tuple(d), axis=(0, 1)) for frame, d in zip(stack, drift, strict=True)])


def test_whole_pixel_drift_is_exactly_undone():
    drift = [(n % 3, -n) for n in range(8)]
    still = srrf(STACK[:8], 3)
    found = srrf(moved_by(STACK[:8], drift), 3, drift=drift)
    np.testing.assert_array_equal(inner(found, 3 * 10), inner(still, 3 * 10))


def reference_projection(radiality, intensity, mode, integrate):
    """The temporal modes for one pixel, as sums over time in plain Python."""
    n, product = len(radiality), [r * i for r, i in zip(radiality, intensity, strict=True)]
    if mode == "TRM":
        return max(product)
    if mode == "TRA":
        return sum(product) / n
    if mode == "TRPPM":
        pairs = [radiality[a] * radiality[b] for a in range(n) for b in range(a, n)]
        return sum(pairs) / len(pairs) * sum(intensity) / n
    order, total, series = int(mode[-1]), 0.0, list(radiality)
    kept = [0.0] * 7
    while True:
        n = len(series)
        d = [value - sum(series) / n for value in series]
        lags = [range(order), (0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)][: 7 if order == 4 else 1]
        sums = [sum(np.prod([d[t + lag] for lag in some]) for t in range(n - order)) for some in lags]
        kept = [new + (old if order > 2 else 0) for new, old in zip(sums, kept, strict=False)]
        value = kept[0]
        if order == 4:
            value -= kept[1] * kept[2] + kept[3] * kept[4] + kept[5] * kept[6]
        total += abs(value) / n
        series[0] = 0.0
        series = [sum(series[b * order : (b + 1) * order]) / order for b in range(n // order)]
        if not integrate or len(series) <= order:
            return total * sum(product) / len(product)


@pytest.fixture(scope="module")
def twins():
    """Radiality and intensity of 21 frames at magnification 2."""
    return [np.array(part) for part in zip(*(twin(f, 2, 0.5, 6) for f in STACK[:21]), strict=True)]


@pytest.mark.parametrize(
    ("mode", "integrate"),
    [(mode, False) for mode in ("TRM", "TRA", "TRPPM")]
    + [(mode, choice) for mode in ("TRAC2", "TRAC3", "TRAC4") for choice in (False, True)],
)
def test_modes_are_their_formulas(mode, integrate, twins):
    radiality, intensity = twins
    found = srrf(STACK[:21], 2, mode=mode, integrate=integrate)
    rng = np.random.default_rng(0)
    pixels = rng.integers(8, 88, (60, 2))
    expected = [
        reference_projection(radiality[:, y, x], intensity[:, y, x], mode, integrate) for y, x in pixels
    ]
    np.testing.assert_allclose(found[tuple(pixels.T)], expected, rtol=2e-4, atol=1e-6 * max(expected))


def test_without_intensity_weighting_only_radiality_counts():
    radiality = np.array([twin(frame, 3, 0.5, 6)[0] for frame in SMALL])
    found = srrf(SMALL, 3, mode="TRA", intensity_weighting=False)
    np.testing.assert_allclose(inner(found, 6), inner(radiality.mean(axis=0), 6), atol=1e-6)


def test_gradient_weighting_is_the_mean_gradient_over_the_intensity():
    radius, m = 3.17 / 2.35, 2
    frame = SMALL[0].astype(float)
    radiality, intensity = twin(frame, m, 0.5, 6)
    padded = np.pad(frame, 1, mode="edge")
    gx, gy = padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]
    yc, xc = np.meshgrid((np.arange(48) + 0.5) / m, (np.arange(52) + 0.5) / m, indexing="ij")
    steep = 0
    for k in range(12):
        y, x = yc + radius * np.sin(np.pi * k / 6), xc + radius * np.cos(np.pi * k / 6)
        steep = steep + np.hypot(catmull_rom(gx, y, x), catmull_rom(gy, y, x)) / 12
    expected = inner(radiality * steep / np.maximum(intensity, 1e-9) * intensity, 6)
    found = inner(srrf([frame], m, gradient_weighting=True), 6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * expected.max())


@given(power=st.integers(-20, 20), offset=st.floats(0, 100), gain=st.floats(0.01, 100))
@settings(max_examples=15, deadline=None)
def test_gain_and_offset_of_the_camera(power, offset, gain):
    still = srrf(SMALL, 2)
    np.testing.assert_array_equal(srrf(SMALL * 2.0**power, 2), still * np.float32(2.0**power))
    shape = srrf(SMALL * 1.0, 2, mode="TRM", intensity_weighting=False)
    moved = srrf(gain * SMALL + offset, 2, mode="TRM", intensity_weighting=False)
    np.testing.assert_allclose(moved, shape, atol=2e-3)  # gradients lose digits to the offset
    assert np.abs(moved - shape).mean() < 1e-5


@given(turns=st.integers(0, 3), mirror=st.booleans(), m=st.integers(1, 4), axes=st.sampled_from([2, 4, 6]))
@settings(max_examples=15, deadline=None)
def test_turning_the_frames_turns_the_image(turns, mirror, m, axes):
    def turned(stack):
        stack = np.rot90(stack, turns, axes=(-2, -1))
        return stack[..., ::-1] if mirror else stack

    expected = turned(srrf(SMALL, m, n_axes=axes))
    np.testing.assert_allclose(srrf(turned(SMALL), m, n_axes=axes), expected, atol=3e-6 * expected.max())


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, ">u2"])
def test_any_type_of_pixels(dtype):
    frames = (SMALL // 16).astype(dtype)
    np.testing.assert_allclose(srrf(frames, 2), srrf((SMALL // 16).astype(np.float32), 2), rtol=1e-6)


def test_a_stream_gives_what_the_array_gives():
    frames = iter(STACK)
    np.testing.assert_array_equal(srrf(frames, 2, block=7), srrf(STACK, 2, block=7))
    assert next(frames, None) is None  # read once, to the end


@pytest.mark.parametrize(
    ("mode", "n", "block", "parts"),
    [
        ("TRM", 25, 10, [10, 10, 5]),
        ("TRAC2", 22, 10, [10, 12]),  # two frames are too few for a block of their own
        ("TRAC2", 23, 10, [10, 10, 3]),
        ("TRAC4", 14, 10, [14]),
    ],
)
def test_the_result_is_the_mean_of_the_blocks(mode, n, block, parts):
    ends = np.cumsum(parts)
    images = [srrf(STACK[end - part : end], 2, mode=mode) for end, part in zip(ends, parts, strict=True)]
    expected = np.average(images, axis=0, weights=parts)
    np.testing.assert_allclose(srrf(STACK[:n], 2, mode=mode, block=block), expected, rtol=1e-5, atol=1e-6)


def test_threads_change_no_bit_and_are_given_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        one = srrf(STACK, 3, threads=1)
        np.testing.assert_array_equal(srrf(STACK, 3, threads=3), one)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("m", [1, 2, 3, 5, 7, 10])
def test_edges_are_blank_or_filled(m):
    blank, filled = srrf(SMALL, m), srrf(SMALL, m, extend_edges=True)
    assert blank.shape == filled.shape == (24 * m, 26 * m)
    edge = 2 * m
    np.testing.assert_array_equal(inner(blank, edge), inner(filled, edge))
    outside = np.ones(blank.shape, bool)
    inner(outside, edge)[...] = False
    assert not blank[outside].any()
    assert filled[outside].any()


def phase_means(image, m):
    used = inner(image, 4 * m)
    means = used.reshape(used.shape[0] // m, m, used.shape[1] // m, m).mean(axis=(0, 2))
    return (means + means[::-1] + means[:, ::-1] + means[::-1, ::-1]) / 4  # the rest is chance


def test_patterning_is_minimised():
    frames = np.random.default_rng(1).poisson(30, (6, 64, 64))
    kept, less = (srrf(frames, 5, mode="TRAC2", minimise_patterning=choice) for choice in (False, True))
    before, after = (np.ptp(phase_means(image, 5)) / phase_means(image, 5).mean() for image in (kept, less))
    assert before > 0.1
    assert after < before / 4
    assert np.corrcoef(kept.ravel(), less.ravel())[0, 1] > 0.99
    assert not less[kept == 0].any()  # no light from nowhere


def test_progress_counts_frames():
    seen = []
    srrf(STACK[:25], 2, block=10, progress=lambda done, known: seen.append((done, known)))
    done = [a for a, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == (25, 25)
    assert {b for _, b in seen} == {25}


def test_an_interrupt_ends_the_work_at_once(monkeypatch):
    calls = []
    evaluate = RingKernel.evaluate

    def counted(*arguments):
        calls.append(1)
        return evaluate(*arguments)

    def interrupt(done, known):
        raise KeyboardInterrupt

    monkeypatch.setattr(RingKernel, "evaluate", counted)
    with pytest.raises(KeyboardInterrupt):
        srrf(np.random.default_rng(0).poisson(9, (2, 600, 600)), 5, threads=2, progress=interrupt)
    assert len(calls) < 1444 / 4  # tiles


FRAMES = np.ones((4, 20, 20))
NAN = np.where(np.arange(20) == 3, np.nan, FRAMES)


@pytest.mark.parametrize(
    ("frames", "options", "error", "said"),
    [
        (FRAMES, {"mode": "TRX"}, ConfigError, "no SRRF mode is called 'TRX'"),
        (FRAMES, {"magnification": 11}, ConfigError, "magnification: 11 is not a whole number from 1 to 10"),
        (FRAMES, {"magnification": 2.5}, ConfigError, "2.5 is not a whole number"),
        (FRAMES, {"ring_radius_px": 4}, ConfigError, "ring radius: 4 px is not between 0.1 and 3 px"),
        (FRAMES, {"ring_radius_px": float("nan")}, ConfigError, "ring radius: nan px"),
        (FRAMES, {"n_axes": 1}, ConfigError, "number of axes: 1"),
        (FRAMES, {"threads": 0}, ConfigError, "threads: 0 is not a whole number from 1"),
        (FRAMES, {"block": 0}, ConfigError, "block: 0"),
        (FRAMES, {"mode": "TRAC3", "block": 3}, ConfigError, "block: 3 is not a whole number from 4"),
        (FRAMES, {"integrate": True}, ConfigError, "integrate belongs to TRAC2"),
        (FRAMES, {"device": "abacus"}, ConfigError, "no device 'abacus'"),
        (FRAMES, {"drift": [(0, 0)] * 3}, ConfigError, "has 3 rows, frame 4 has none"),
        (FRAMES, {"drift": [(0, 0)] * 5}, ConfigError, "has 5 rows for 4 frames"),
        (FRAMES, {"drift": [1, 2, 3, 4]}, ConfigError, "not one finite"),
        (FRAMES, {"drift": "manual"}, ConfigError, "drift 'manual' is unknown"),
        (iter(FRAMES), {"drift": "auto"}, ConfigError, "a generator gives them once"),
        (FRAMES, {"drift": "auto"}, ImageError, "fewer than two groups"),
        ([], {}, ImageError, "there is no frame"),
        (FRAMES[:3], {"mode": "TRAC4"}, ImageError, "3 frame.s. are too few for this mode, it needs 5"),
        (FRAMES[0], {}, ImageError, "frame 1 has 1 axes"),
        ([FRAMES[0], FRAMES[0, :9]], {}, ImageError, "frame 2 is 9 x 20 float64, the first is 20 x 20"),
        ([FRAMES[0], FRAMES[0].astype(int)], {}, ImageError, "frame 2 is 20 x 20 int64"),
        (FRAMES * 1j, {}, ImageError, "complex128"),
        (NAN, {}, ImageError, "frame 1 holds values that are no numbers"),
        (FRAMES[:, :3], {}, ImageError, "frames of 3 x 20 px are too small"),
        (FRAMES, {"drift": [(0, 0), (9, 0), (-9, 0), (0, 0)]}, ImageError, "and of the drift"),
    ],
)
def test_what_cannot_be_done_is_said(frames, options, error, said):
    with pytest.raises(error, match=said) as caught:
        srrf(frames, **options)
    assert caught.value.hint
    assert "\n" not in caught.value.message
