import numpy as np
import pytest
import xarray as xr

from dlsim_ij.acquisition import arrange, detect_acquisition, fit_patterns, split_stack
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import Camera, Conditions, draw_structure, random_conditions, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_patterns


def make_stack(structure="microtubules", photons=300.0, seed=0, **changes):
    rng = np.random.default_rng(seed)
    density = draw_structure(structure, (256, 256), 0.03, rng)
    patterns = paper_patterns(phases_rad=tuple(rng.uniform(0, 6, 3)))
    conditions = Conditions(patterns=patterns, photons=photons, intensity=(1.0,) * 15, **changes)
    return simulate_sim(density, conditions, rng)


def fit(raw, **options):
    return fit_patterns(equalise_frames(raw, estimate_offset(raw)), 3, 5, Optics(), **options)


def off(a, b):
    return abs((a - b + np.pi) % (2 * np.pi) - np.pi)


@pytest.mark.parametrize("structure", ["microtubules", "mitochondria", "adhesions", "actin"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_fit_finds_the_true_pattern(structure, seed):
    stack = make_stack(structure, seed=seed)
    for found, true in zip(fit(stack.raw), stack.conditions.patterns, strict=True):
        assert abs(found.angle_deg - true.angle_deg) < 0.2
        assert found.period_px == pytest.approx(true.period_px, rel=5e-3)
        assert off(found.phases_rad[0], true.phases_rad[0]) < 0.15
        assert off(found.phases_rad[1], true.phases_rad[1]) < 0.3
        assert found.snr[0] > 20
        assert 0.6 < found.modulation[0] / true.modulation[0] < 1.2


def test_phases_count_from_the_corner_of_a_large_field():
    rng = np.random.default_rng(0)
    density = draw_structure("actin", (1088, 1088), 0.03, rng)
    conditions = Conditions(patterns=paper_patterns(phases_rad=(0.4, 1.4, 2.4)), intensity=(1.0,) * 15)
    stack = simulate_sim(density, conditions, rng)
    for found, true in zip(fit(stack.raw), conditions.patterns, strict=True):
        assert off(found.phases_rad[0], true.phases_rad[0]) < 0.1


def test_in_the_dark_a_calibration_gives_the_phases():
    bright = make_stack(photons=300)
    rng = np.random.default_rng(1)
    dark = rng.poisson(bright.electrons / 60) * 6.85 + 100
    for found, true in zip(fit(dark, known=fit(bright.raw)), bright.conditions.patterns, strict=True):
        assert off(found.phases_rad[0], true.phases_rad[0]) < 0.25
        assert off(found.phases_rad[1], true.phases_rad[1]) < 0.5


def test_two_beam_stacks_of_three_phases():
    rng = np.random.default_rng(2)
    density = draw_structure("actin", (256, 256), 0.03, rng)
    conditions = random_conditions(rng, photons=(300, 300), n_phases=3, like_paper=1.0)
    stack = simulate_sim(density, conditions, rng)
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    for found, true in zip(fit_patterns(signal, 3, 3, Optics()), conditions.patterns, strict=True):
        assert found.orders == 1
        assert found.period_px == pytest.approx(true.period_px, rel=2e-3)


def test_a_good_stack_is_fit():
    acquisition = detect_acquisition(make_stack().raw, 0.06)
    assert acquisition.fit
    assert acquisition.warnings == ()


@pytest.mark.parametrize("seed", range(3))
def test_a_phase_major_stack_is_named(seed):
    raw = make_stack("actin", seed=seed).raw
    swapped = raw.reshape(3, 5, 128, 128).swapaxes(0, 1).reshape(15, 128, 128)
    acquisition = detect_acquisition(swapped, 0.06)
    assert not acquisition.fit
    assert "phase by phase" in acquisition.warnings[0][0]


def test_frames_of_another_angle_are_noticed():
    raw = make_stack("actin").raw
    raw[[3, 8]] = raw[[8, 3]]
    acquisition = detect_acquisition(raw, 0.06)
    assert not acquisition.fit
    assert acquisition.order == "other"
    assert detect_acquisition(arrange(raw, acquisition), 0.06).fit


def test_frames_without_a_pattern_are_not_fit():
    even = make_stack().electrons.mean(axis=0)
    frames = Camera().expose(np.repeat(even[None], 15, axis=0), np.random.default_rng(0))
    acquisition = detect_acquisition(frames, 0.06)
    assert not acquisition.fit
    assert acquisition.warnings


def test_bleaching_and_saturation_are_told():
    stack = make_stack(camera=Camera(bits=16, gain_adu_per_electron=250))
    bleached = (stack.raw * np.linspace(1, 0.6, 15)[:, None, None]).astype(np.uint16)
    bleached[:, 40:50, 40:50] = 65535
    told = " ".join(message for message, _ in detect_acquisition(bleached, 0.06).warnings)
    assert "brightness of the angles varies" in told
    assert "saturated" in told


def test_empty_and_copied_frames_are_refused():
    raw = make_stack().raw
    constant, copied = raw.copy(), raw.copy()
    constant[4] = 100
    copied[7] = copied[1]
    with pytest.raises(LayoutError, match="frame 5 of 15 is constant"):
        detect_acquisition(constant, 0.06)
    with pytest.raises(LayoutError, match="frames 2 and 8 are identical"):
        detect_acquisition(copied, 0.06)


def test_equal_frames_have_equal_means():
    stack = make_stack()
    uneven = 100 + (stack.raw.astype(float) - 100) * np.linspace(1, 0.7, 15)[:, None, None]
    even = equalise_frames(uneven, 100)
    assert np.ptp(even.mean(axis=(1, 2))) < 0.01 * even.mean()


def stack_of(*dims_and_sizes):
    dims, sizes = zip(*dims_and_sizes, strict=True)
    pixels = np.arange(np.prod(sizes)).reshape(sizes)
    return xr.DataArray(pixels, dims=dims, attrs={"name": "cell", "pixel_size_um": 0.06})


@pytest.mark.parametrize(
    ("image", "layout", "series"),
    [
        (stack_of(("I", 15), ("Y", 2), ("X", 2)), "3x5", ()),
        (stack_of(("C", 15), ("Y", 2), ("X", 2)), "3x5", ()),
        (stack_of(("T", 1), ("Z", 15), ("C", 1), ("Y", 2), ("X", 2)), "3x5", ()),
        (stack_of(("T", 4), ("Z", 15), ("C", 2), ("Y", 2), ("X", 2)), "3x5", (("T", 4), ("C", 2))),
        (stack_of(("T", 45), ("Y", 2), ("X", 2)), "3x5", (("T", 3),)),
        (stack_of(("Z", 9), ("Y", 2), ("X", 2)), "3x3", ()),
    ],
)
def test_stacks_are_found_in_an_image(image, layout, series):
    stacks = split_stack(image, layout)
    assert stacks.series == series
    assert len(list(stacks)) == len(stacks)
    count = stacks.n_angles * stacks.n_phases
    assert all(stack.shape == (count, 2, 2) for stack in stacks)
    flat = np.sort(np.concatenate([stack.ravel() for stack in stacks]))
    np.testing.assert_array_equal(flat, np.arange(image.size))
    joined = stacks.join([stack[0].astype(float) for stack in stacks], pixel_size_um=0.03)
    assert joined.shape == (*(size for _, size in series), 2, 2)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (stack_of(("I", 14), ("Y", 2), ("X", 2)), "14 along I, not 15 frames"),
        (stack_of(("Y", 2), ("X", 2)), "a single plane"),
        (stack_of(("T", 30), ("Z", 45), ("Y", 2), ("X", 2)), "more than one axis"),
        (stack_of(("I", 15), ("Y", 2), ("X", 2), ("S", 3)), "axes I, Y, X, S"),
    ],
)
def test_images_without_a_stack_are_refused(image, message):
    with pytest.raises(LayoutError, match=message):
        split_stack(image)


@pytest.mark.sample
def test_the_public_sample_has_the_known_pattern(sample_dir):
    from dlsim_ij.images import read_image, undo_enlargement

    native = undo_enlargement(read_image(sample_dir / "microtuble" / "HE_X2" / "Sample_1").values).frames
    acquisition = detect_acquisition(native, 0.06)
    assert acquisition.fit
    for pattern, angle in zip(acquisition.patterns, (13.9, -45.2, 74.4), strict=True):
        assert abs(pattern.angle_deg - angle) < 1
        assert 491 * 0.99 < 60 * pattern.period_px < 497 * 1.01
