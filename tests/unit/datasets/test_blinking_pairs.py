"""The pool of blinking fields: shapes, the same bits from one seed, targets that fit their inputs."""

import numpy as np
import pytest
import torch

from dlsim_ij.datasets.blinking_fields import (
    brightness_of,
    group_starts,
    make_field,
    random_blinking,
    random_optics,
    with_hot_pixels,
)
from dlsim_ij.datasets.blinking_inputs import normalised_signal, radiality_image
from dlsim_ij.datasets.source import SampleSource, make_source
from dlsim_ij.errors import ConfigError, DataError
from dlsim_ij.quality import fair_scores
from dlsim_ij.simulation import draw_structure

OPTIONS = {
    "fields": 2,
    "groups": 3,
    "field_px": 24,
    "validation_fields": 1,
    "structures": ["actin", "adhesions"],
}


@pytest.fixture(scope="module")
def source():
    return make_source("blinking", OPTIONS, patch_px=16, seed=5)


def test_batches_are_crops_of_five_frames_and_their_target(source):
    assert isinstance(source, SampleSource)
    assert len(source) == 6
    assert (source.in_channels, source.scale) == (32, 5)
    inputs, targets = source.batch(np.array([0, 3, 5, 1]), np.random.default_rng(0))
    assert inputs.shape == (4, 32, 16, 16)
    assert targets.shape == (4, 1, 80, 80)
    assert inputs.dtype == targets.dtype == torch.float32
    assert torch.isfinite(inputs).all()
    assert (targets >= 0).all()


def test_input_and_target_show_the_same_place_in_the_same_turn(source):
    rng = np.random.default_rng(1)
    for _ in range(6):  # turned, mirrored, cut: all must go with the target
        inputs, targets = source.batch(np.array([0]), rng)
        image = torch.nn.functional.pixel_shuffle(inputs[:, :25], 5)[0, 0].numpy()
        truth = targets[0, 0].numpy()
        own = np.corrcoef(image.ravel(), truth.ravel())[0, 1]
        others = [np.corrcoef(np.rot90(image, k).ravel(), truth.ravel())[0, 1] for k in (1, 2, 3)]
        others.append(np.corrcoef(image[:, ::-1].ravel(), truth.ravel())[0, 1])
        assert own > 0.3
        assert own > max(others)


def test_augmentation_permutes_the_frames(source):
    rng = np.random.default_rng(2)
    means = {
        tuple(np.argsort(source.batch(np.array([0]), rng)[0][0, 25:30].mean(dim=(1, 2)).numpy()).tolist())
        for _ in range(8)
    }
    assert len(means) > 1


def test_the_pool_has_the_same_bits_from_the_same_seed_whoever_makes_it(source):
    again = make_source("blinking", {**OPTIONS, "workers": 2}, patch_px=16, seed=5)
    draws = [one.batch(np.arange(6), np.random.default_rng(3)) for one in (source, again)]
    for first, second in zip(*draws, strict=True):
        assert torch.equal(first, second)


def test_another_seed_makes_other_fields(source):
    other = make_source("blinking", {**OPTIONS, "fields": 1}, patch_px=16, seed=6)
    drawn = [one.batch(np.arange(3), np.random.default_rng(3))[0] for one in (source, other)]
    assert not torch.equal(*drawn)


def test_validation_is_the_same_for_every_seed_and_apart_from_training(source):
    other = make_source("blinking", {**OPTIONS, "fields": 1, "groups": 1}, patch_px=16, seed=6)
    first, second = list(source.validation()), list(other.validation())
    assert [group for *_, group in first] == ["actin", "adhesions"]
    for (a, b, _), (c, d, _) in zip(first, second, strict=True):
        assert a.shape == (1, 32, 16, 16)
        assert b.shape == (1, 1, 80, 80)
        assert torch.equal(a, c)
        assert torch.equal(b, d)


def test_the_card_tells_how_inputs_are_made(source):
    told = source.describe()
    assert told["card"]["input"] == {"kind": "srrf-channels", "n_frames": 5, "magnification": 5}
    assert told["card"]["frames"]["total"] == 5
    assert told["fields"] == 2
    assert "workers" not in told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"structures": ["actine"]}, "actin"),
        ({"structures": []}, "at least one structure"),
        ({"groups": 41}, "groups"),
        ({"mixture": 0.1}, "mixtures"),
    ],
)
def test_bad_options_are_named(options, said):
    with pytest.raises(ConfigError) as refusal:
        make_source("blinking", options, patch_px=16, seed=0)
    assert said in str(refusal.value)


def test_patches_larger_than_a_field_are_refused_before_any_work():
    with pytest.raises(DataError, match="do not fit into fields of 24 px"):
        make_source("blinking", {"field_px": 24}, patch_px=32, seed=0)


def test_a_field_is_what_it_says():
    rng = np.random.default_rng(0)
    field = make_field("mitochondria", 24, rng)
    assert field.raw.shape == (200, 24, 24)
    assert field.truth.shape == (120, 120)
    assert field.raw.max() < 65535
    # the same frames at another gain and offset have the same truth, times the gain
    signal, scaling = normalised_signal(3.0 * field.raw + 50)
    assert fair_scores(field.truth, radiality_image(signal)).psnr_db > 50
    assert scaling.scale == pytest.approx(3 * field.scaling.scale, rel=1e-3)


def test_random_conditions_stay_within_their_ranges():
    rng = np.random.default_rng(0)
    for _ in range(40):
        optics = random_optics(rng)
        width_px = 0.51 * optics.emission_nm / 1000 / optics.na / optics.pixel_size_um
        assert 1.5 <= width_px <= 3.5
        density = draw_structure("points", (160, 160), optics.pixel_size_um / 5, rng)
        drawn = random_blinking(density, optics, rng)
        assert 0.02 <= drawn.p_on / (drawn.p_on + drawn.p_off) <= 0.5
        assert 0 < drawn.photons_per_emitter <= 5000
        assert 50 <= drawn.n_emitters <= 12 * 32**2


def test_groups_do_not_overlap():
    starts = group_starts(40, np.random.default_rng(0))
    assert sorted(starts) == list(range(0, 200, 5))


def test_the_brightness_of_few_frames_is_the_slope_over_all():
    rng = np.random.default_rng(0)
    whole = rng.poisson(500 * np.exp(-((np.mgrid[:32, :32] - 16) ** 2).sum(axis=0) / 40), (200, 32, 32))
    assert brightness_of(whole[:5], whole) == pytest.approx(1, abs=0.02)
    assert brightness_of(2 * whole[:5] + 70, whole) == pytest.approx(2, abs=0.04)


def test_hot_pixels_are_the_same_in_every_frame():
    frames = np.full((5, 40, 40), 100, np.uint16)
    frames[:, 20, 20] = 500
    hot = with_hot_pixels(frames, 0.01, np.random.default_rng(0))
    added = hot.astype(int) - frames
    assert 0 < (added[0] > 0).sum() < 40
    assert (added == added[0]).all()
