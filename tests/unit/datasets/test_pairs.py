import pickle

import numpy as np
import pytest
import torch

from dlsim_ij.datasets import PreparedPairs, PrepareSettings, SampleSource, make_source, prepare_dataset
from dlsim_ij.datasets.field_file import open_field
from dlsim_ij.errors import ConfigError, DataError, LayoutError
from dlsim_ij.images import bicubic_enlarge

SETTINGS = PrepareSettings(tile_px=32, background="none", fractions=(0.5, 0.25, 0.25))


@pytest.fixture
def dataset(seed_sim, tmp_path):
    prepare_dataset(seed_sim(4), tmp_path / "set", SETTINGS, resize=bicubic_enlarge)
    return tmp_path / "set"


@pytest.fixture
def native(seed_sim, tmp_path):
    settings = SETTINGS.model_copy(update={"scale": 1})
    prepare_dataset(seed_sim(4), tmp_path / "native", settings, resize=bicubic_enlarge)
    return tmp_path / "native"


def first_tile(pairs):
    (frames, truth) = pairs.batch(np.array([0]), np.random.default_rng(0))
    entry = next(pairs.index.of_part("train"))
    tensors = open_field(pairs.dataset / entry.file)
    y, x = entry.tiles[0]
    return frames.numpy()[0], truth.numpy()[0], entry, tensors, np.s_[..., y : y + 32, x : x + 32]


def test_the_seeds_normalisation_divides_by_the_maxima(dataset):
    pairs = PreparedPairs(dataset, normalisation="seed")
    frames, truth, _, tensors, here = first_tile(pairs)
    np.testing.assert_allclose(frames, tensors["normal"][here] / pairs.index.constants["HE"], rtol=1e-5)
    np.testing.assert_allclose(truth[0], tensors["truth"][here] / pairs.index.constants["HER"], rtol=1e-5)
    assert len(pairs) == 2 * 4


def test_low_light_has_the_normal_truth(dataset):
    pairs = PreparedPairs(dataset, normalisation="seed", light="low", frames="sim3")
    frames, truth, _, tensors, here = first_tile(pairs)
    expected = tensors["low"][[0, 5, 10]][here] / pairs.index.constants["LE"]
    np.testing.assert_allclose(frames, expected, rtol=1e-5)
    np.testing.assert_allclose(truth[0], tensors["truth"][here] / pairs.index.constants["HER"], rtol=1e-5)


def test_robust_targets_are_on_the_scale_of_the_inputs(dataset):
    pairs = PreparedPairs(dataset)
    frames, truth, entry, tensors, here = first_tile(pairs)
    scaling = entry.scaling["normal"]
    np.testing.assert_allclose(
        frames, (tensors["normal"][here].astype(float) - scaling.offset) / scaling.scale, rtol=1e-4, atol=1e-5
    )
    expected = (tensors["truth"][here].astype(float) - entry.scaling["truth"].offset) / (
        scaling.scale * pairs.truth_gain
    )
    np.testing.assert_allclose(truth[0], expected, rtol=1e-4, atol=1e-5)
    assert 0.3 < truth.max() < 3


def test_noise_removal_has_the_normal_frames_as_target(dataset):
    pairs = PreparedPairs(dataset, normalisation="seed", light="low", target="frames")
    _, truth, _, tensors, here = first_tile(pairs)
    assert (pairs.in_channels, pairs.out_channels, pairs.scale) == (15, 15, 1)
    np.testing.assert_allclose(truth, tensors["normal"][here] / pairs.index.constants["HE"], rtol=1e-5)


def test_random_crops_of_native_frames_stay_with_their_truth(native):
    pairs = PreparedPairs(native, patch_px=8, normalisation="seed", frames="sim15")
    assert pairs.scale == 2
    rng = np.random.default_rng(0)
    frames, truth = pairs.batch(np.zeros(40, dtype=int), rng)
    assert frames.shape == (40, 15, 8, 8)
    assert truth.shape == (40, 1, 16, 16)
    assert frames.dtype == truth.dtype == torch.float32
    entry = next(pairs.index.of_part("train"))
    tensors = open_field(native / entry.file)
    whole = tensors["normal"].astype(np.float32) / np.float32(pairs.index.constants["HE"])
    truth_map = tensors["truth"].astype(np.float32) / np.float32(pairs.index.constants["HER"])
    places = set()
    for crop, target in zip(frames.numpy(), truth.numpy(), strict=True):
        (place,) = [
            (y, x)
            for y in range(9)
            for x in range(9)
            if np.allclose(whole[:, y : y + 8, x : x + 8], crop, rtol=1e-5)
        ]
        places.add(place)
        y, x = (2 * start for start in place)
        np.testing.assert_allclose(target[0], truth_map[y : y + 16, x : x + 16], rtol=1e-5)
    assert len(places) > 20
    assert {0, 8} <= {y for y, _ in places}  # the crop reaches both ends of its tile


def test_drawing_is_a_function_of_indices_and_generator(dataset):
    pairs = PreparedPairs(dataset, patch_px=16, augmentation="all")
    first = pairs.batch(np.array([3, 1]), np.random.default_rng(9))
    again = pickle.loads(pickle.dumps(pairs)).batch(np.array([3, 1]), np.random.default_rng(9))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    other = pairs.batch(np.array([3, 1]), np.random.default_rng(10))
    assert not torch.equal(first[0], other[0])


def test_sending_a_source_to_a_worker_takes_no_pixels_along(dataset):
    pairs = PreparedPairs(dataset)
    pairs.batch(np.arange(len(pairs)), np.random.default_rng(0))
    assert len(pickle.dumps(pairs)) < 20_000


def test_parts_share_no_field(dataset):
    pairs = PreparedPairs(dataset)
    split = pairs.index.split()
    validation = list(pairs.validation())
    assert {name for *_, name in validation} == set(split["validation"])
    assert {name for *_, name in pairs.tiles_of("test")} == set(split["test"])
    assert len(validation) == 4
    assert validation[0][0].shape == (1, 15, 32, 32)
    again = list(pairs.validation())
    assert all(
        torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(validation, again, strict=True)
    )


def test_more_fields_than_open_maps(seed_sim, tmp_path, monkeypatch):
    monkeypatch.setattr("dlsim_ij.datasets.pairs._OPEN_FIELDS", 2)
    settings = PrepareSettings(tile_px=64, background="none", fractions=(1, 0, 0))
    prepare_dataset(seed_sim(5, low=False), tmp_path / "set", settings, resize=bicubic_enlarge)
    pairs = PreparedPairs(tmp_path / "set")
    rng = np.random.default_rng(0)
    one_by_one = [pairs.batch(np.array([i]), rng)[0] for i in (0, 1, 2, 3, 4, 0)]
    assert torch.equal(one_by_one[0], one_by_one[5])
    assert len({tensor.numpy().tobytes() for tensor in one_by_one}) == 5


def test_it_is_a_sample_source(dataset):
    source = make_source("prepared", {"dataset": str(dataset), "frames": "sim4-max"}, patch_px=16, seed=0)
    assert isinstance(source, SampleSource)
    assert (source.in_channels, source.scale, len(source)) == (4, 1, 8)
    described = source.describe()
    assert described["constants"].keys() == {"HE", "LE", "HER", "LER"}
    assert described["normalisation"] == "robust"
    import json

    json.dumps(described, allow_nan=False)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"frames": "sim14"}, DataError, "did you mean 'sim15'"),
        ({"patch_px": 33}, DataError, "patches of 33 pixels do not fit into tiles of 32"),
        ({"augmentation": "flip"}, DataError, "did you mean 'flips'"),
    ],
)
def test_impossible_options_are_refused(dataset, options, error, words):
    with pytest.raises(error, match=words):
        PreparedPairs(dataset, **options)


def test_a_misspelt_setting_is_named(dataset):
    with pytest.raises(ConfigError, match="did you mean 'augmentation'"):
        make_source("prepared", {"dataset": str(dataset), "augmentatoin": "none"}, patch_px=16, seed=0)


def test_what_the_dataset_lacks_is_said(seed_sim, tmp_path):
    prepare_dataset(seed_sim(2, low=False), tmp_path / "set", SETTINGS, resize=bicubic_enlarge)
    with pytest.raises(DataError, match=r"holds no low images \(LE\)"):
        PreparedPairs(tmp_path / "set", light="low")
    settings = SETTINGS.model_copy(update={"background": "max", "min_max_counts": 1e6})
    prepare_dataset(tmp_path / "raw fields", tmp_path / "none", settings, resize=bicubic_enlarge)
    with pytest.raises(DataError, match="no tile of the training fields"):
        PreparedPairs(tmp_path / "none")


def test_a_stack_of_another_length_does_not_serve_sim15(seed_srrf, tmp_path):
    prepare_dataset(seed_srrf(2), tmp_path / "set", SETTINGS, resize=bicubic_enlarge)
    assert PreparedPairs(tmp_path / "set", frames="srrf5").in_channels == 5
    with pytest.raises(LayoutError, match="20 frames"):
        PreparedPairs(tmp_path / "set")
