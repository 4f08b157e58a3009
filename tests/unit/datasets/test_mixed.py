from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import dlsim_ij.datasets.mixed
from dlsim_ij.datasets import PrepareSettings, SampleSource, make_source, prepare_dataset
from dlsim_ij.datasets.mixed import MixedSource
from dlsim_ij.datasets.source import samples_of_test
from dlsim_ij.errors import ConfigError, DataError
from dlsim_ij.images import bicubic_enlarge

CARD = {
    "frames": {"total": 15, "selection": [0]},
    "input": {"kind": "raw-frames"},
    "normalisation": {"kind": "robust"},
}


class Part:
    """Sample number i of source k is 1000 k + i, plus noise below 0.5 in a second channel."""

    in_channels, out_channels, scale = 2, 1, 1

    def __init__(self, number, size, *, test=False, card=CARD, **told):
        self.number, self.size, self.card = number, size, card
        for name, value in told.items():
            setattr(self, name, value)
        if test:
            self.test = lambda: iter([(torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 4), "held")])

    def __len__(self):
        return self.size

    def batch(self, indices, rng):
        assert (indices >= 0).all()
        assert (indices < self.size).all()
        targets = (1000 * self.number + indices).astype(np.float32)[:, None, None, None]
        noise = rng.random((len(indices), 1, 1, 1)).astype(np.float32) / 2
        return torch.from_numpy(np.concatenate([targets, noise], axis=1)), torch.from_numpy(targets)

    def validation(self):
        yield torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 4), "bright"

    def describe(self):
        return {"kind": "part", "number": self.number, "card": self.card}


def mixed(*parts, weights=None):
    return MixedSource(parts, weights or [1.0] * len(parts), [f"part {i}" for i in range(len(parts))])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0.05, 20)), min_size=1, max_size=4))
def test_an_epoch_holds_every_sample_and_every_source_by_its_share(sizes_and_weights):
    sizes, weights = zip(*sizes_and_weights, strict=True)
    source = mixed(*(Part(i, size) for i, size in enumerate(sizes)), weights=list(weights))
    _, targets = source.batch(np.arange(len(source)), np.random.default_rng(0))
    owners, numbers = np.divmod(targets.numpy().ravel().astype(int), 1000)
    for owner, (size, weight) in enumerate(sizes_and_weights):
        mine = np.bincount(numbers[owners == owner], minlength=size)
        assert mine.min() >= 1
        assert mine.max() - mine.min() <= 1  # all are repeated alike
        per_weight = mine.sum() / weight
        assert all(
            per_weight == pytest.approx((owners == other).sum() / w, abs=1 / weight + 1 / w)
            for other, w in enumerate(weights)
        )


def test_a_batch_keeps_its_order_and_depends_on_indices_and_generator_alone():
    source = mixed(Part(0, 5), Part(1, 5))
    indices = np.array([9, 0, 5, 4, 9])
    source.batch(np.array([3]), np.random.default_rng(8))  # a past
    inputs, targets = source.batch(indices, np.random.default_rng(1))
    assert targets.ravel().tolist() == [1004, 0, 1000, 4, 1004]
    again = mixed(Part(0, 5), Part(1, 5)).batch(indices, np.random.default_rng(1))
    assert torch.equal(again[0], inputs)
    assert len(set(inputs[:, 1].ravel().tolist())) == 5  # no two samples share their random numbers
    assert not torch.equal(source.batch(indices, np.random.default_rng(2))[0], inputs)


def test_groups_begin_with_the_source_and_test_samples_come_from_those_that_have_some():
    source = mixed(Part(0, 1), Part(1, 1, test=True))
    assert isinstance(source, SampleSource)
    assert [group for *_, group in source.validation()] == ["part 0: bright", "part 1: bright"]
    assert [group for *_, group in samples_of_test(source)] == ["part 1: held"]
    assert list(samples_of_test(Part(0, 1))) == []


def test_what_all_sources_tell_alike_holds_for_the_mixture():
    alike = mixed(Part(0, 1, patch_px=32, view_channels=(1,)), Part(1, 1, patch_px=32, view_channels=(1,)))
    assert (alike.patch_px, alike.view_channels, alike.one_group_one_field) == (32, (1,), False)
    unlike = mixed(Part(0, 1, view_channels=(1,)), Part(1, 1, view_channels=(0,), one_group_one_field=True))
    assert not hasattr(unlike, "view_channels")
    assert unlike.one_group_one_field
    other = {**CARD, "pixel_size_um": 0.06}
    told = mixed(Part(0, 1, card=other), Part(1, 1, card={**other, "pixel_size_um": 0.07})).describe()
    assert told["card"] == CARD
    assert [(part["name"], part["number"]) for part in told["sources"]] == [("part 0", 0), ("part 1", 1)]


def test_sources_are_told_of_every_epoch_and_closed_also_when_they_do_not_fit(monkeypatch):
    calls = []

    def make_part(kind, options, *, patch_px, seed):
        number = options["number"]
        return Part(
            number, 3, scale=1 + number * options.get("misfit", 0),
            start_epoch=lambda epoch: calls.append((number, epoch)),
            close=lambda: calls.append((number, "closed")),
        )  # fmt: skip

    monkeypatch.setattr(dlsim_ij.datasets.mixed, "make_part", make_part)
    part = lambda number, **more: {"kind": "simulated", "options": {"number": number, **more}}  # noqa: E731
    source = make_source("mixed", {"sources": [part(0), part(1)]}, patch_px=16, seed=0)
    source.start_epoch(7)
    source.close()
    assert calls == [(0, 7), (1, 7), (0, "closed"), (1, "closed")]
    calls.clear()
    with pytest.raises(DataError, match="scale 1"):
        make_source("mixed", {"sources": [part(0), part(1, misfit=1)]}, patch_px=16, seed=0)
    assert calls == [(0, "closed"), (1, "closed")]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Part(1, 1, in_channels=3), "in_channels 2"),
        (Part(1, 1, scale=2), "scale 1"),
        (Part(1, 0), "no training sample"),
        (Part(1, 1, card={**CARD, "input": {"kind": "wiener-channels"}}), "wiener-channels"),
        (Part(1, 1, card={**CARD, "frames": {"total": 15, "selection": [1]}}), "frames"),
        (Part(1, 1, card={**CARD, "outputs": ["object"]}), "outputs"),
        (Part(1, 1, card={**CARD, "normalisation": {"kind": "seed"}}), "normalisation robust"),
    ],
)
def test_sources_that_no_network_could_serve_are_refused_by_name(other, words):
    with pytest.raises(DataError, match=words) as caught:
        mixed(Part(0, 1), other)
    assert "part 1" in caught.value.message


def test_other_constants_are_warned_about_and_the_first_ones_go_into_the_card(caplog):
    cards = [{**CARD, "normalisation": {"kind": "robust", "truth_gain": gain}} for gain in (1.0, 2.0)]
    told = mixed(Part(0, 1, card=cards[0]), Part(1, 1, card=cards[1])).describe()
    assert told["card"]["normalisation"]["truth_gain"] == 1.0
    assert "'part 0'" in caplog.text


def test_a_configuration_makes_the_mixture_it_describes(seed_sim, tmp_path):
    settings = PrepareSettings(tile_px=32, background="none", fractions=(0.5, 0.25, 0.25))
    prepare_dataset(seed_sim(4), tmp_path / "set", settings, resize=bicubic_enlarge)
    prepared = {"kind": "prepared", "options": {"dataset": str(tmp_path / "set"), "frames": "sim3"}}
    options = {"sources": [prepared, {**prepared, "weight": 3, "name": "again"}]}
    source = make_source("mixed", options, patch_px=16, seed=0)
    assert len(source) == 4 * 8
    inputs, targets = source.batch(np.arange(len(source)), np.random.default_rng(0))
    assert inputs.shape == (32, 3, 16, 16)
    assert targets.shape == (32, 1, 16, 16)
    assert {group.split(": ")[0] for *_, group in source.validation()} == {"prepared 1", "again"}
    assert len(list(samples_of_test(source))) == 2 * 4
    assert source.describe()["card"]["frames"]["selection"] == [0, 5, 10]


def test_simulated_sources_of_a_mixture_draw_different_fields():
    options = {"fields": 1, "field_px": 64, "photons": [[50, 50]], "structures": ["microtubules"]}
    part = {"kind": "simulated", "options": {**options, "validation_photons": [50], "validation_fields": 1}}
    source = make_source("mixed", {"sources": [part, part]}, patch_px=32, seed=3)
    first, second = (
        source.parts[number].batch(np.array([0]), np.random.default_rng(0))[1] for number in (0, 1)
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "sources"),
        ({"sources": []}, "at least 1"),
        ({"sources": [{"kind": "prepared", "weight": 0}]}, "greater than 0"),
        ({"sources": [{"kind": "mixed"}]}, "simulated"),
        ({"sources": [{"kind": "prepared", "name": "a"}, {"kind": "simulated", "name": "a"}]}, "two sources"),
        ({"source": []}, "sources"),
    ],
)
def test_bad_mixtures_are_refused_in_words(options, words):
    with pytest.raises(ConfigError) as caught:
        make_source("mixed", options, patch_px=16, seed=0)
    assert words in str(caught.value)
