import numpy as np
import pytest
import torch

from dlsim_ij.bundles import save_bundle
from dlsim_ij.datasets.inputs import input_kind, network_inputs, turn
from dlsim_ij.errors import LayoutError, ModelError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference import load_model, predict, predictor
from dlsim_ij.inference.predictor import run_network
from dlsim_ij.networks import create_network
from dlsim_ij.optics import Optics
from dlsim_ij.reconstruction import wiener_sim

WIENER_CARD = {
    "name": "tiny",
    "architecture": {"name": "native", "options": {"width": 4}},
    "in_channels": 11,
    "scale": 2,
    "side_multiple": 8,
    "frames": {"total": 15, "selection": list(range(15))},
    "input": {"kind": "wiener-channels", "n_angles": 3},
    "normalisation": {"kind": "robust"},
    "pixel_size_um": 0.06,
    "optics": {"na": 1.49, "emission_nm": 525.0},
}


def seed_card(**changes):
    return {
        "name": "seed",
        "architecture": {"name": "unet-sim3", "options": {"width": 4}},
        "in_channels": 3,
        "scale": 1,
        "side_multiple": 16,
        "batchnorm": "running",
        "frames": {"total": 15, "selection": [0, 5, 10]},
        "input": {"kind": "raw-frames", "selection": "sim3", "enlargement": 2},
        "normalisation": {"kind": "seed", "input": 5315.0, "output": 15383.0, "truth_gain": 1.0},
        **changes,
    }


@pytest.fixture
def native(tmp_path):
    torch.manual_seed(1)
    network = create_network("native", width=4)
    torch.nn.init.normal_(network.head.weight, std=0.05)
    save_bundle(tmp_path / "tiny", network, WIENER_CARD)
    return load_model(tmp_path / "tiny")


@pytest.fixture
def seed_model(tmp_path):
    torch.manual_seed(2)
    network = create_network("unet-sim3", width=4)
    save_bundle(tmp_path / "seed", network, seed_card())
    return load_model(tmp_path / "seed")


def test_an_untrained_network_returns_the_wiener_image(tmp_path, stack):
    save_bundle(tmp_path / "fresh", create_network("native", width=4), WIENER_CARD)
    result = predict(load_model(tmp_path / "fresh"), stack.raw, patterns=stack.conditions.patterns)
    channels, scaling = network_inputs(stack.raw, stack.conditions.patterns, Optics())
    assert channels.shape == (11, 80, 88)
    assert result.image.shape == (160, 176)
    rows = result.image.reshape(80, 2, 88, 2)
    np.testing.assert_allclose(rows[:, 0, :, 1], channels[1] * scaling.scale, rtol=1e-5, atol=1e-3)


def test_the_result_lies_on_the_object(native, stack):
    image = predict(native, stack.raw).image
    wiener = wiener_sim(stack.electrons, stack.conditions.patterns, Optics())
    assert np.corrcoef(image.ravel(), wiener.ravel())[0, 1] > 0.5


@pytest.mark.parametrize("tile_px", [128, 144, 200])
def test_tiles_change_nothing(native, tile_px):
    channels = np.random.default_rng(0).normal(size=(11, 250, 203)).astype(np.float32)
    whole = run_network(native, channels, tile_px=None)
    tiled = run_network(native, channels, tile_px=tile_px)
    assert whole.shape == (1, 500, 406)
    assert np.abs(tiled - whole).max() < 1e-4 * np.ptp(whole)


def test_tiles_change_nothing_for_the_seeds_network(seed_model):
    channels = np.random.default_rng(0).normal(size=(3, 330, 260)).astype(np.float32)
    whole = run_network(seed_model, channels, tile_px=None)
    tiled = run_network(seed_model, channels, tile_px=256)
    assert np.abs(tiled - whole).max() < 1e-4 * np.ptp(whole)


def test_per_image_batchnorm_refuses_tiles(tmp_path):
    save_bundle(tmp_path / "m", create_network("unet-sim3", width=4), seed_card(batchnorm="per-image"))
    model = load_model(tmp_path / "m")
    channels = np.random.default_rng(0).normal(size=(3, 320, 320)).astype(np.float32)
    assert run_network(model, channels, tile_px=None).shape == (1, 320, 320)
    with pytest.raises(ModelError, match="whole image"):
        run_network(model, channels, tile_px=256)


@pytest.mark.parametrize(("gain", "offset"), [(3.0, 0.0), (1.0, 900.0), (0.5, -40.0)])
def test_gain_and_offset_of_the_camera_only_scale_the_image(native, stack, gain, offset):
    raw = stack.raw.astype(np.float64)
    expected = predict(native, raw, patterns=stack.conditions.patterns).image
    image = predict(native, gain * raw + offset, patterns=stack.conditions.patterns).image
    np.testing.assert_allclose(image, gain * expected, atol=2e-3 * gain * np.ptp(expected))


def test_wrong_frames_are_refused(native, stack):
    with pytest.raises(LayoutError, match=r"takes 15 frames, the stack is 14 x 80 x 88"):
        predict(native, stack.raw[:14])
    broken = stack.raw.astype(np.float32)
    broken[3, 2, 1] = np.nan
    with pytest.raises(LayoutError, match="NaN"):
        predict(native, broken)


def test_a_card_that_does_not_tell_its_input_is_refused(tmp_path):
    save_bundle(tmp_path / "m", create_network("native", width=4), {**WIENER_CARD, "frames": None})
    with pytest.raises(ModelError, match="does not tell how its input is made"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("side", [(16, 16), (17, 40), (64, 23)])
def test_small_and_odd_fields_are_padded_and_cut_again(native, seed_model, side):
    rng = np.random.default_rng(0)
    for model, inputs in ((native, 11), (seed_model, 3)):
        channels = rng.normal(size=(inputs, *side)).astype(np.float32)
        image = run_network(model, channels)
        assert image.shape == (1, model.card.scale * side[0], model.card.scale * side[1])
        assert np.isfinite(image).all()


def test_padding_repeats_the_border(native):
    channels = np.random.default_rng(0).normal(size=(11, 61, 50)).astype(np.float32)
    repeated = np.pad(channels, [(0, 0), (0, 3), (0, 6)], mode="edge")
    np.testing.assert_allclose(
        run_network(native, channels), run_network(native, repeated)[:, :122, :100], atol=1e-5
    )


def test_a_large_field_runs_in_tiles_by_itself(native, monkeypatch):
    channels = np.random.default_rng(0).normal(size=(11, 250, 203)).astype(np.float32)
    whole = run_network(native, channels)
    monkeypatch.setattr(predictor, "WHOLE_FIELD_PX", 144)
    seen = []
    tiled = run_network(native, channels, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == len(seen) > 1
    assert np.abs(tiled - whole).max() < 1e-4 * np.ptp(whole)


def test_the_seeds_recipe_step_by_step(seed_model, stack):
    enlarged = np.stack([bicubic_enlarge(stack.raw[number].astype(np.float32), 2) for number in (0, 5, 10)])
    with torch.no_grad():
        counts = 15383.0 * seed_model.network(torch.from_numpy(enlarged / 5315.0).float()[None])[0, 0].numpy()
        middle = float(np.median(counts))
        seed_model.network.outc5.bias -= middle / 15383.0  # half of the pixels are negative, and clipped
    counts -= middle
    image = predict(seed_model, stack.raw).image
    np.testing.assert_allclose(image, np.maximum(counts, 0), rtol=1e-3, atol=1e-5 * np.ptp(counts))


def test_the_callers_resize_is_used(seed_model, stack):
    calls = []

    def resize(frames, scale):
        calls.append(scale)
        return bicubic_enlarge(frames, scale)

    predict(seed_model, stack.raw, resize=resize)
    assert calls == [2]


def test_the_batchnorm_mode_can_be_chosen(tmp_path, native, seed_model, stack):
    other = load_model(tmp_path / "seed", batchnorm="per-image")
    assert other.describe()["batchnorm"] == "per-image"
    assert seed_model.describe()["batchnorm"] == "running"
    assert not np.allclose(predict(other, stack.raw).image, predict(seed_model, stack.raw).image)
    with pytest.raises(ModelError, match="has no BatchNorm"):
        load_model(tmp_path / "tiny", batchnorm="running")


def test_threads_are_given_back(native, stack):
    before = torch.get_num_threads()
    used = []
    native.network.register_forward_pre_hook(lambda *_: used.append(torch.get_num_threads()))
    predict(native, stack.raw, patterns=stack.conditions.patterns, threads=before + 1)
    assert used == [before + 1]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_lack_of_memory_gives_advice(native, stack, error):
    def fail(*_):
        raise error("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    native.network.register_forward_pre_hook(fail)
    with pytest.raises(ModelError, match="memory") as caught:
        predict(native, stack.raw, patterns=stack.conditions.patterns)
    assert "--tile-px" in caught.value.hint


def test_other_errors_of_torch_stay_themselves(native, stack):
    def fail(*_):
        raise RuntimeError("shapes do not match")

    native.network.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        predict(native, stack.raw, patterns=stack.conditions.patterns)


@pytest.fixture
def two_images(tmp_path):
    torch.manual_seed(3)
    network = create_network("native", width=4, images=2, interval=True)
    for head in (network.head, network.half_width[-1]):
        torch.nn.init.normal_(head.weight, std=0.05)
    card = {
        **WIENER_CARD,
        "architecture": {"name": "native", "options": {"width": 4, "images": 2, "interval": True}},
        "input": {"kind": "wiener-channels", "n_angles": 3, "n_phases": [5, 3]},
        "outputs": ["wiener", "object"],
        "interval": {"level": 0.9},
    }
    save_bundle(tmp_path / "two", network, card)
    return load_model(tmp_path / "two")


def test_a_model_with_several_images_gives_the_one_that_is_asked_for(two_images, stack):
    patterns = stack.conditions.patterns
    first = predict(two_images, stack.raw, patterns=patterns)
    second = predict(two_images, stack.raw, patterns=patterns, target="object")
    assert (first.target, second.target) == ("wiener", "object")
    assert first.image.shape == first.uncertainty.shape == (160, 176)
    assert not np.array_equal(first.image, second.image)
    assert not np.array_equal(first.uncertainty, second.uncertainty)
    assert (first.uncertainty > 0).all()
    channels, scaling = network_inputs(stack.raw, patterns, Optics())
    half_width = run_network(two_images, channels)[2] * scaling.scale
    np.testing.assert_allclose(1.645 * first.uncertainty, half_width, rtol=1e-5)


def test_an_image_that_the_model_does_not_make_is_refused(two_images, native, stack):
    with pytest.raises(ModelError, match="no image called 'sample'"):
        predict(two_images, stack.raw, target="sample")
    with pytest.raises(ModelError, match="no image called 'object'"):
        predict(native, stack.raw, target="object")


def test_other_numbers_of_phases_are_taken_where_the_model_knows_them(two_images, native, stack):
    raw = stack.raw[[0, 1, 2, 5, 6, 7, 10, 11, 12]]
    assert predict(two_images, raw).image.shape == (160, 176)
    with pytest.raises(LayoutError, match="takes 15 frames"):
        predict(native, raw)
    with pytest.raises(LayoutError, match="takes 15 or 9 frames"):
        predict(two_images, raw[:8])


def test_gain_scales_the_uncertainty_too(two_images, stack):
    patterns = stack.conditions.patterns
    expected = predict(two_images, stack.raw, patterns=patterns).uncertainty
    scaled = predict(two_images, 3.0 * stack.raw + 50.0, patterns=patterns).uncertainty
    np.testing.assert_allclose(scaled, 3 * expected, rtol=2e-3)


def test_three_frames_want_their_patterns(tmp_path, stack):
    torch.manual_seed(4)
    network = create_network("native", in_channels=19, width=4)
    torch.nn.init.normal_(network.head.weight, std=0.05)
    card = {
        **WIENER_CARD,
        "architecture": {"name": "native", "options": {"in_channels": 19, "width": 4}},
        "in_channels": 19,
        "input": {"kind": "three-frames", "n_angles": 3, "n_phases": [5, 3]},
    }
    save_bundle(tmp_path / "three", network, card)
    model = load_model(tmp_path / "three")
    patterns = stack.conditions.patterns
    whole = predict(model, stack.raw, patterns=patterns)
    alone = predict(model, stack.raw[::5], patterns=patterns)
    np.testing.assert_array_equal(whole.image, alone.image)
    with pytest.raises(LayoutError, match="does not tell its own"):
        predict(model, stack.raw[::5])


def test_an_ensemble_does_not_depend_on_how_the_sample_lies(native, tmp_path):
    """And a network that answers to the direction does."""
    rng = np.random.default_rng(4)
    channels = rng.normal(size=(11, 24, 40)).astype(np.float32)
    kind = input_kind("wiener-channels")
    ensemble = load_model(tmp_path / "tiny", ensemble=True)
    seen = []
    for model in (native, ensemble):
        straight = run_network(model, channels)
        quarter = run_network(model, np.ascontiguousarray(kind.turn(channels, 1, True)))
        assert quarter.shape == (1, 80, 48)
        seen.append(np.abs(quarter - turn(straight, 1, True)).max())
    assert seen[0] > 1e-2
    assert seen[1] < 1e-5


def test_an_ensemble_counts_all_its_tiles(native, tmp_path):
    counted = []
    ensemble = load_model(tmp_path / "tiny", ensemble=True)
    run_network(ensemble, np.zeros((11, 24, 40), np.float32), progress=lambda *one: counted.append(one))
    assert counted == [(number, 8) for number in range(1, 9)]


def test_frames_with_their_patterns_are_not_turned(tmp_path):
    save_bundle(tmp_path / "seed", create_network("unet-sim3", width=4), seed_card())
    with pytest.raises(ModelError, match="in one direction only"):
        load_model(tmp_path / "seed", ensemble=True)
