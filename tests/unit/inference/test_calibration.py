import json

import numpy as np
import pytest
import torch

from dlsim_ij.bundles import save_bundle
from dlsim_ij.bundles.card import Calibration, ModelCard, Stretch
from dlsim_ij.bundles.shipped import shipped_folder
from dlsim_ij.datasets.inputs import input_kind, network_inputs
from dlsim_ij.datasets.simulated import make_source
from dlsim_ij.errors import ModelError
from dlsim_ij.inference import load_model, predict
from dlsim_ij.inference.calibration import FieldNumbers, field_numbers, half_width_stretch, stretch
from dlsim_ij.inference.predictor import predict_every, run_network
from dlsim_ij.networks import create_network
from dlsim_ij.optics import Optics

RANGES = {"noise": (-5.0, -1.0), "density": (-4.0, 0.0), "grain": (-3.0, 0.0)}
TERMS = {"constant": 0.1, "noise": -0.2, "density": 0.25, "grain": -0.4}
MODELS = ["sim15", "sim3", "lowlight"]


def calibration(**changes):
    return {"images": [{**TERMS, **changes, "ranges": RANGES}, {**TERMS, "constant": 0.5, "ranges": RANGES}]}


@pytest.fixture
def make(tmp_path):
    def one(name, interval, **changes):
        torch.manual_seed(3)
        options = {"width": 4, "images": 2, "interval": True}
        network = create_network("native", **options)
        for head in (network.head, network.half_width[-1]):
            torch.nn.init.normal_(head.weight, std=0.05)
        card = {
            "name": name, "architecture": {"name": "native", "options": options}, "in_channels": 11,
            "scale": 2, "side_multiple": 8, "frames": {"total": 15, "selection": list(range(15))},
            "input": {"kind": "wiener-channels", "n_angles": 3, "n_phases": [5, 3]},
            "outputs": ["wiener", "object"], "interval": interval, "pixel_size_um": 0.06,
            "optics": {"na": 1.49, "emission_nm": 525.0}, **changes,
        }  # fmt: skip
        save_bundle(tmp_path / name, network, card)
        return tmp_path / name

    return one


def test_noise_is_told_in_its_own_unit_whatever_smooth_light_lies_below():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:200, :220]
    light = 0.3 + 0.4 * np.sin(y / 15) * np.cos(x / 11)
    image = np.ones((400, 440))
    for sigma in (0.01, 0.1):
        noisy = light + rng.normal(0, sigma, light.shape)
        hot = noisy.copy()
        hot[::37, ::41] = 50.0
        assert np.exp(field_numbers(image, noisy).noise) == pytest.approx(sigma, rel=0.03)
        assert np.exp(field_numbers(image, hot).noise) == pytest.approx(sigma, rel=0.06)


def test_density_counts_light_and_grain_how_fine_it_is():
    frame = np.zeros((40, 40))
    x = np.arange(256) * np.ones((256, 1))
    coarse, fine = (1 + np.sin(2 * np.pi * x / period) for period in (64, 16))
    numbers = {name: field_numbers(image, frame) for name, image in (("coarse", coarse), ("fine", fine))}
    assert np.exp(numbers["coarse"].density) == pytest.approx(1.0, rel=0.01)
    assert field_numbers(0.5 * coarse, frame).density == pytest.approx(np.log(0.5), abs=0.01)
    assert field_numbers(0.5 * coarse, frame).grain == pytest.approx(numbers["coarse"].grain)
    # a sine's mean absolute difference is in proportion to its frequency
    assert np.exp(numbers["fine"].grain - numbers["coarse"].grain) == pytest.approx(4, rel=0.03)


def test_an_empty_field_has_finite_numbers():
    numbers = field_numbers(np.zeros((32, 32)), np.zeros((16, 16)))
    assert np.isfinite([numbers.noise, numbers.density, numbers.grain]).all()


def test_the_factor_is_the_exponential_of_the_sum_and_stays_where_it_was_fitted():
    told = Calibration.model_validate(calibration())
    field = FieldNumbers(noise=-2.0, density=-1.5, grain=-1.0)
    expected = np.exp(0.1 + 0.2 * 2 - 0.25 * 1.5 + 0.4)
    assert stretch(told, 0, field) == pytest.approx(expected)
    assert stretch(told, 1, field) == pytest.approx(expected * np.exp(0.4))
    edge = FieldNumbers(noise=-5.0, density=0.0, grain=-3.0)
    far = FieldNumbers(noise=-50.0, density=9.0, grain=-14.0)
    assert stretch(told, 0, far) == stretch(told, 0, edge)


def test_a_card_without_calibration_gives_what_it_always_gave(make, stack):
    old, level = make("old", {"level": 0.9}), make("none", None)
    for folder in (old, level):
        assert half_width_stretch(load_model(folder).card, np.zeros((11, 8, 8)), np.zeros((16, 16)), 0) == 1.0


@pytest.mark.parametrize("target", [0, 1])
def test_the_standard_deviation_is_stretched_by_the_factor_of_its_own_image(make, stack, target):
    patterns = stack.conditions.patterns
    name = ("wiener", "object")[target]
    plain = predict(load_model(make("plain", {"level": 0.9})), stack.raw, patterns=patterns, target=name)
    calibrated = load_model(make("calibrated", {"level": 0.9, "calibration": calibration()}))
    found = predict(calibrated, stack.raw, patterns=patterns, target=name)
    np.testing.assert_array_equal(found.image, plain.image)
    channels, scaling = network_inputs(stack.raw, patterns, Optics())
    numbers = field_numbers(plain.image / scaling.scale, channels[8:11].mean(axis=0))
    factor = stretch(calibrated.card.interval.calibration, target, numbers)
    assert abs(factor - 1) > 0.02
    np.testing.assert_allclose(found.uncertainty, factor * plain.uncertainty, rtol=1e-4)


def test_tiles_and_gain_do_not_change_the_factor(make, stack):
    model = load_model(make("calibrated", {"level": 0.9, "calibration": calibration()}))
    patterns = stack.conditions.patterns
    rng = np.random.default_rng(4)
    wide = np.tile(stack.raw, (1, 2, 2)) + rng.integers(0, 2, (15, 160, 176))
    whole = predict(model, wide, patterns=patterns)
    tiled = predict(model, wide, patterns=patterns, tile_px=128)
    np.testing.assert_allclose(tiled.uncertainty, whole.uncertainty, rtol=1e-4)
    brighter = predict(model, 2.0 * wide, patterns=patterns)
    np.testing.assert_allclose(brighter.uncertainty, 2 * whole.uncertainty, rtol=1e-3)


def test_an_ensemble_is_stretched_as_well(make, stack):
    patterns = stack.conditions.patterns
    ratios = []
    for name, told in (("plain", None), ("calibrated", calibration())):
        folder = make(name, {"level": 0.9, "calibration": told})
        ratios.append(predict(load_model(folder, ensemble=True), stack.raw, patterns=patterns).uncertainty)
    factors = ratios[1] / ratios[0]
    assert factors.std() < 1e-4 * factors.mean()
    assert abs(factors.mean() - 1) > 0.02


def test_every_image_at_once_is_what_one_after_the_other_gives(make, stack):
    model = load_model(make("calibrated", {"level": 0.9, "calibration": calibration()}))
    patterns = stack.conditions.patterns
    for name, found in predict_every(model, stack.raw, patterns=patterns).items():
        alone = predict(model, stack.raw, patterns=patterns, target=name)
        assert (found.target, alone.target) == (name, name)
        np.testing.assert_array_equal(found.image, alone.image)
        np.testing.assert_array_equal(found.uncertainty, alone.uncertainty)


def test_a_calibration_that_is_not_for_the_model_is_refused(make, stack):
    one = {"images": calibration()["images"][:1]}
    model = load_model(make("short", {"level": 0.9, "calibration": one}))
    with pytest.raises(ModelError, match="not for this model"):
        predict(model, stack.raw, patterns=stack.conditions.patterns, target="object")


@pytest.mark.parametrize(
    "ranges", [{"noise": (-5, -1)}, {**RANGES, "density": (0.0, -4.0)}, {**RANGES, "light": (0, 1)}]
)
def test_damaged_ranges_are_refused(ranges):
    with pytest.raises(ValueError, match="ranges"):
        Stretch.model_validate({**TERMS, "ranges": ranges})


@pytest.mark.parametrize("name", MODELS)
def test_shipped_cards_hold_a_calibration_that_stays_within_reason(name):
    card = ModelCard.model_validate(json.loads((shipped_folder(name) / "model.json").read_text("utf-8")))
    told = card.interval.calibration
    assert len(told.images) == len(card.outputs)
    for number, image in enumerate(told.images):
        for noise in image.ranges["noise"]:
            for density in image.ranges["density"]:
                for grain in image.ranges["grain"]:
                    factor = stretch(told, number, FieldNumbers(noise=noise, density=density, grain=grain))
                    assert 0.15 < factor < 4  # even at corners where no field of the fit lay


@pytest.mark.parametrize(("kind", "frames"), [("wiener-channels", 15), ("three-frames", 3)])
def test_the_channels_that_are_frames_have_the_mean_of_the_frames(stack, kind, frames):
    channels, scaling = network_inputs(stack.raw, stack.conditions.patterns, Optics(), kind)
    seen = stack.raw if frames == 15 else stack.raw[::5]
    mean = (seen.mean(axis=0) - scaling.offset) / scaling.scale
    # frames are made equally bright first: a percent or so
    np.testing.assert_allclose(channels[input_kind(kind).frames].mean(axis=0), mean, atol=0.03)


@pytest.fixture(scope="module")
def fields():
    options = {"targets": ["wiener", "object"], "field_px": 144, "validation_photons": [300, 30, 3],
               "test_fields": 1, "fields": 1, "like_paper": 1.0}  # fmt: skip
    source = make_source(options, patch_px=64, seed=1)
    found = [(a[0].numpy(), b[0].numpy(), group) for a, b, group in source.test()]
    source.close()
    return found


@pytest.mark.parametrize("name", ["sim15", "lowlight"])
def test_intervals_hold_nine_tenths_on_sparse_and_on_dense_fields(name, fields):
    model = load_model(name)
    shares = {"plain": {}, "calibrated": {}}
    for channels, targets, group in fields:
        images, half_widths = np.split(run_network(model, channels), 2)
        sparse = group.startswith(("mitochondria", "adhesions"))
        for number, truth in enumerate(targets):
            factor = half_width_stretch(model.card, channels, images[number], number)
            error = np.abs(images[number] - truth)
            for which, by in (("plain", 1.0), ("calibrated", factor)):
                shares[which].setdefault(sparse, []).append((error <= by * half_widths[number]).mean())
    mean = {which: {kind: np.mean(one) for kind, one in both.items()} for which, both in shares.items()}
    # 12 shares each: the mean of one kind is known to 0.02
    for share in mean["calibrated"].values():
        assert 0.86 < share < 0.94
    gap = {which: one[True] - one[False] for which, one in mean.items()}
    assert abs(gap["calibrated"]) < abs(gap["plain"])
