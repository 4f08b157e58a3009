from __future__ import annotations

import os
import signal
import stat

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dlsim_ij.errors import DataError
from dlsim_ij.training.averaging import WeightAverage
from dlsim_ij.training.checkpoint import load_checkpoint, save_checkpoint
from dlsim_ij.training.history import COLUMNS, History, read_history
from dlsim_ij.training.interrupt import stop_on_signals
from dlsim_ij.training.optimiser import optimiser_state, restore_optimiser
from dlsim_ij.training.sampler import EpochSampler
from dlsim_ij.training.validation import psnr_db


@given(samples=st.integers(1, 50), batch=st.integers(1, 60), seed=st.integers(0, 2**63 - 1))
def test_an_epoch_visits_every_sample_once(samples, batch, seed):
    sampler = EpochSampler(samples, batch, seed)
    steps = range(sampler.steps_per_epoch, 2 * sampler.steps_per_epoch)  # the second epoch
    seen = np.concatenate([sampler.indices(step) for step in steps])
    assert sorted(seen) == list(range(samples))
    assert {sampler.epoch(step) for step in steps} == {1}


def test_orders_differ_between_epochs_and_seeds_and_a_step_repeats():
    order = lambda seed, epoch: list(EpochSampler(30, 30, seed).indices(epoch))  # noqa: E731
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    one, other = EpochSampler(30, 4, 3), EpochSampler(30, 4, 3)
    for step in range(20):  # `one` has a past, `other` has none
        one.indices(step)
        one.generator(step).random(100)
    assert list(one.indices(20)) == list(other.indices(20))
    assert one.generator(20).random() == other.generator(20).random() != one.generator(21).random()


def test_average_is_the_decayed_sum_and_applied_gives_it_on_loan():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0.0)
    average = WeightAverage(network, decay=0.5)
    expected = 0.0
    for step, value in enumerate([1.0, 2.0, 4.0], start=1):
        nn.init.constant_(network.weight, value)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    with average.applied():
        assert network.weight.item() == pytest.approx(expected)
    assert network.weight.item() == 4.0
    assert average.averages["weight"].item() == pytest.approx(expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_optimiser_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path, kind, layout):
    torch.manual_seed(0)
    start = nn.Conv2d(3, 4, 3).to(memory_format=layout).state_dict()
    gradients = [torch.randn(4, 3, 3, 3) for _ in range(6)]

    def fresh(weights):
        network = nn.Conv2d(3, 4, 3).to(memory_format=layout)
        network.load_state_dict(weights)
        return network, kind(network.parameters(), lr=0.1, fused=True)

    def steps(network, optimiser, some):
        for gradient in some:
            network.weight.grad = gradient.contiguous(memory_format=layout)
            optimiser.step()

    whole, optimiser = fresh(start)
    steps(whole, optimiser, gradients)
    half, optimiser = fresh(start)
    steps(half, optimiser, gradients[:3])
    tensors, values = optimiser_state(optimiser)
    save_checkpoint(tmp_path / "c.safetensors", {**tensors, **half.state_dict()}, {"rest": values})
    tensors, values = load_checkpoint(tmp_path / "c.safetensors")
    resumed, optimiser = fresh({name: tensors.pop(name) for name in ("weight", "bias")})
    restore_optimiser(optimiser, tensors, values["rest"])
    steps(resumed, optimiser, gradients[3:])
    assert torch.equal(resumed.weight, whole.weight)


def test_checkpoint_is_one_file_with_ordinary_permissions(tmp_path):
    path = tmp_path / "last.safetensors"
    for step in (1, 2):
        save_checkpoint(path, {"a": torch.full((2,), float(step))}, {"step": step, "big": 2**70})
    tensors, values = load_checkpoint(path)
    assert (tensors["a"].tolist(), values) == ([2.0, 2.0], {"step": 2, "big": 2**70})
    assert [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_damaged_missing_and_foreign_checkpoints_are_refused(tmp_path):
    from safetensors.torch import save_file

    whole, cut, foreign = (tmp_path / f"{name}.safetensors" for name in ("whole", "cut", "foreign"))
    save_checkpoint(whole, {"a": torch.ones(100)}, {})
    cut.write_bytes(whole.read_bytes()[:-10])
    save_file({"a": torch.ones(1)}, foreign)
    (tmp_path / "empty.safetensors").touch()
    for path, words in [
        (cut, "damaged"), (tmp_path / "empty.safetensors", "damaged"),
        (foreign, "no training checkpoint"), (tmp_path / "none", "does not exist"),
    ]:  # fmt: skip
        with pytest.raises(DataError, match=words):
            load_checkpoint(path)


def test_history_appends_cuts_later_rows_and_forgives_a_torn_one(tmp_path):
    path = tmp_path / "history.csv"
    history = History(path)
    for step in (10, 20, 30):
        history.append({"step": step, "epoch": 0, "lr": 1e-3, "train_loss": 0.5, "seconds": 1.0})
    with open(path, "a") as file:
        file.write("40,1,0.0")
    assert [row["step"] for row in read_history(path)] == [10, 20, 30]
    resumed = History(path, last_step=20)
    resumed.append({"step": 25, "epoch": 1, "lr": 1e-3, "valid_psnr_db": 20.0, "seconds": 2.0})
    lines = path.read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1:] == ["10,0,0.001,0.5,,,1,", "20,0,0.001,0.5,,,1,", "25,1,0.001,,,20,2,"]


def test_another_table_is_not_taken_for_a_history(tmp_path):
    (tmp_path / "history.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="columns"):
        History(tmp_path / "history.csv")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_a_wish_and_handlers_come_back(number):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signals() as wish:
        assert not wish
        os.kill(os.getpid(), number)
        assert wish.signal_name == signal.Signals(number).name
        # the second one would act at once
        assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_psnr_by_hand_and_finite_for_perfect_and_constant_images():
    truth = torch.tensor([0.0, 2.0])
    assert psnr_db(truth + 0.2, truth) == pytest.approx(20, abs=1e-4)  # range 2, error 0.2
    assert psnr_db(truth, truth) > 200
    assert psnr_db(torch.ones(4), torch.zeros(4)) < -190
