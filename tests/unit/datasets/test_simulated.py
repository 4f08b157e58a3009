import numpy as np
import pytest

from dlsim_ij.datasets.inputs import input_kind, input_kinds, network_inputs, turn
from dlsim_ij.datasets.normalise import Scaling
from dlsim_ij.datasets.simulated import SimulatedOptions, SimulatedPairs
from dlsim_ij.datasets.simulated_field import object_target, random_optics, wiener_target
from dlsim_ij.errors import DataError, LayoutError
from dlsim_ij.optics import Optics
from dlsim_ij.reconstruction import wiener_sim
from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.conditions import Conditions, make_pattern, paper_patterns

TINY = {"fields": 2, "field_px": 64, "photons": [[100, 1000], [2, 10]], "structures": ["points", "actin"]}


def _stack(patterns, *, side=64, seed=0, **conditions):
    rng = np.random.default_rng(seed)
    n_frames = sum(len(p.steps_rad) for p in patterns)
    density = draw_structure("microtubules", (2 * side, 2 * side), 0.03, rng)
    made = Conditions(patterns=tuple(patterns), intensity=(1.0,) * n_frames, **conditions)
    return simulate_sim(density, made, rng)


def _three_phases():
    return [make_pattern(angle, 5.0, 3, 0.4, (0.8,)) for angle in (10.0, 70.0, 130.0)]


@pytest.fixture(scope="module")
def pairs():
    return SimulatedPairs(SimulatedOptions(**TINY, targets=["wiener", "object"]), patch_px=32, seed=3)


def test_batches_hold_crops_with_both_targets(pairs):
    inputs, targets = pairs.batch(np.array([0, 3]), np.random.default_rng(0))
    assert len(pairs) == 4
    assert tuple(inputs.shape) == (2, 11, 32, 32)
    assert tuple(targets.shape) == (2, 2, 64, 64)
    again = pairs.batch(np.array([0, 3]), np.random.default_rng(0))
    assert (inputs == again[0]).all()
    assert (targets == again[1]).all()


def test_validation_test_and_training_fields_differ(pairs):
    validation = [target.numpy() for _, target, _ in pairs.validation()]
    test = [target.numpy() for _, target, _ in pairs.test()]
    assert len(validation) == 8
    assert len(test) == 16
    assert not any(np.array_equal(a, b) for a in validation for b in test)
    groups = [group for _, _, group in pairs.validation()]
    assert groups[0] == "points, 300 photons"
    assert len(set(groups)) == 4


def test_the_card_tells_what_the_network_sees(pairs):
    card = pairs.describe()["card"]
    assert card["outputs"] == ["wiener", "object"]
    assert card["input"] == {"kind": "wiener-channels", "n_angles": 3, "n_phases": [5]}
    both = SimulatedPairs(SimulatedOptions(**TINY, three_phases=0.5), patch_px=32, seed=3)
    assert both.describe()["card"]["input"]["n_phases"] == [5, 3]


@pytest.mark.parametrize("kind", input_kinds())
@pytest.mark.parametrize("mirrored", [False, True])
def test_turning_the_channels_is_turning_the_sample(kind, mirrored):
    """What is turned is the picture: the frames' pattern is gone from, or turned with, the channels."""
    side = 48
    patterns = paper_patterns(phases_rad=(0.3, 1.0, 2.0))
    raw = _stack(patterns, side=side).electrons
    channels, _ = network_inputs(raw, patterns, Optics(), kind)
    turned = input_kind(kind).turn(channels, 2, mirrored)
    # by half a turn: k stays, phases run backwards; mirrored: kx changes sign
    moved = []
    for p in patterns:
        fy, fx = p.frequency_px
        ends = (side - 1, side - 1 if not mirrored else 0)
        sign = (-1, -1 if not mirrored else 1)
        phases = tuple(
            phase + 2 * np.pi * m * (fy * ends[0] + fx * ends[1]) for m, phase in enumerate(p.phases_rad, 1)
        )
        moved.append(
            type(p)(
                frequency_px=(sign[0] * fy, sign[1] * fx), phases_rad=phases, steps_rad=p.steps_rad,
                modulation=p.modulation,
            )
        )  # fmt: skip
    expected, _ = network_inputs(turn(raw, 2, mirrored), moved, Optics(), kind)
    np.testing.assert_allclose(turned, expected, atol=2e-3)


def test_three_frames_are_the_first_of_each_angle():
    patterns = _three_phases()
    raw = _stack(patterns).raw
    whole, scaling = network_inputs(raw, patterns, Optics(), "three-frames")
    alone, same = network_inputs(raw[::3], patterns, Optics(), "three-frames")
    np.testing.assert_array_equal(whole, alone)
    assert scaling == same
    assert whole.shape == (23, 64, 64)
    np.testing.assert_allclose(whole[11] ** 2 + whole[12] ** 2, whole[8] ** 2, atol=1e-4)  # cos^2 + sin^2


def test_two_angles_are_refused():
    patterns = _three_phases()[:2]
    for kind in input_kinds():
        with pytest.raises(LayoutError, match="3 angles"):
            network_inputs(_stack(patterns).raw, patterns, Optics(), kind)


@pytest.mark.parametrize("patterns", [paper_patterns(phases_rad=(0.3, 1.0, 2.0)), _three_phases()])
def test_the_targets_lie_where_the_input_lies(patterns):
    """A bright stack's Wiener image is its target, and the object has the same places."""
    stack = _stack(patterns, photons=3e3, haze=0.0, flat=0.0)
    camera = stack.conditions.camera
    scaling = Scaling(offset=camera.offset_adu, scale=100 * camera.gain_adu_per_electron)
    wiener = wiener_target(stack, scaling)
    seen = wiener_sim(scaling.apply(stack.raw), patterns, Optics())
    inside = (slice(16, -16),) * 2
    assert np.corrcoef(wiener[inside].ravel(), seen[inside].ravel())[0, 1] > 0.995
    sample = object_target(stack, scaling)
    scores = {
        (dy, dx): np.corrcoef(np.roll(sample, (dy, dx), (0, 1))[inside].ravel(), wiener[inside].ravel())[0, 1]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    assert max(scores, key=scores.get) == (0, 0)
    assert np.isclose(sample.mean(), stack.object.mean() / 100, rtol=1e-4)  # the light is kept


def test_other_optics_stay_sampled():
    rng = np.random.default_rng(0)
    cutoffs = [random_optics(rng).cutoff_px for _ in range(50)]
    assert 0.2 <= min(cutoffs) < 0.3
    assert 0.38 < max(cutoffs) <= 0.47


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": "wiener-chanels"}, "did you mean 'wiener-channels'"),
        ({"structures": ["actn"]}, "did you mean 'actin'"),
        ({"targets": []}, "at least one target"),
        ({"targets": ["object", "object"]}, "each once"),
        ({"photons": [[10, 1]]}, "at least one structure"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SimulatedOptions(**options)


def test_too_large_patches_are_refused():
    with pytest.raises(DataError, match="do not fit"):
        SimulatedPairs(SimulatedOptions(**TINY), patch_px=56, seed=0)
