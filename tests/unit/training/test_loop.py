from __future__ import annotations

import json
import signal

import pytest
import torch
import yaml

from dlsim_ij.bundles import load_bundle
from dlsim_ij.errors import ConfigError, DataError, DlsimError, ModelError, OutputError
from dlsim_ij.networks import create_network
from dlsim_ij.training import train
from dlsim_ij.training.checkpoint import load_checkpoint
from dlsim_ij.training.history import read_history


def test_training_lowers_the_loss_and_leaves_a_whole_run_folder(make_config, source, tmp_path):
    seen = []
    network = {"name": "unet-sim3", "options": {"width": 4}}
    result = train(
        make_config(network=network, steps=60, validate_every=20), data=source, progress=seen.append
    )
    rows = read_history(tmp_path / "run" / "history.csv")
    assert rows[-1]["train_loss"] < 0.6 * rows[0]["train_loss"]
    first, *_, last = [row["valid_loss"] for row in rows if row["valid_loss"]]
    assert last < 0.7 * first
    assert [row["step"] for row in rows] == list(range(2, 61, 2))
    assert (result.step, result.epoch, result.stopped) == (60, 19, "finished")  # 7 samples, 3 steps an epoch
    assert [p.step for p in seen] == [row["step"] for row in rows]
    assert seen[-1].seconds_left == 0
    assert seen[0].total_steps == 60
    names = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert names == {
        "config.yaml", "environment.json", "history.csv", "loss.png",
        "checkpoints/last.safetensors", "checkpoints/best.safetensors",
        "model/model.json", "model/weights.safetensors", "validations.csv", "metrics.csv", "table.md",
        *(f"samples/{name}.png" for name in ("step_000020", "step_000040", "step_000060", "latest")),
    }  # fmt: skip
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["batch_size"] == 3
    start = json.loads((tmp_path / "run" / "environment.json").read_text())[0]
    assert start["threads"] == 1
    assert start["packages"]["torch"] == torch.__version__


def test_the_model_holds_the_best_averaged_weights_and_its_card_says_what_was_done(
    make_config, source, tmp_path
):
    result = train(make_config(), data=source)
    bundle = load_bundle(result.model_dir)
    best, record = load_checkpoint(tmp_path / "run" / "checkpoints" / "best.safetensors")
    found = bundle.create()
    assert not found.training
    assert all(torch.equal(tensor, best[name]) for name, tensor in found.state_dict().items())
    assert record == result.best
    assert bundle.card.scores["validation"] == record
    assert set(record["groups"]) == {"bright", "dim"}
    assert bundle.card.frames.selection == (0, 5, 10)
    assert bundle.card.normalisation == {"kind": "none"}
    assert bundle.card.training["data"] == {"recipe": "tiny"}
    assert bundle.card.batchnorm == "running"
    assert bundle.card.name == "run"
    assert str(tmp_path) not in (result.model_dir / "model.json").read_text()
    inputs, target, _ = next(iter(source.validation()))
    with torch.no_grad():
        predicted = found(inputs)
    loss = (predicted - target).abs().mean() / (target.std(correction=0) + 0.02)
    assert float(loss) == pytest.approx(record["groups"]["bright"]["loss"], rel=1e-4)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("stop", [1, 3, 4, 11])  # at no event, a checkpoint, a validation
def test_an_interrupted_and_resumed_run_is_bit_identical(make_config, tiny_source, tmp_path, stop, number):
    whole = train(make_config(output=str(tmp_path / "whole")), data=tiny_source())
    with pytest.raises(KeyboardInterrupt):
        train(make_config(), data=tiny_source(stop=(stop, number)))
    assert not (tmp_path / "run" / "model").exists()
    resumed = train(make_config(), data=tiny_source(), resume=True)
    assert_same_run(whole.run_dir, resumed.run_dir)
    assert resumed.best == whole.best


def assert_same_run(one, other):
    for name in ("last", "best"):
        expected, values = load_checkpoint(one / "checkpoints" / f"{name}.safetensors")
        found, other_values = load_checkpoint(other / "checkpoints" / f"{name}.safetensors")
        assert expected.keys() == found.keys()
        assert all(torch.equal(tensor, found[key]) for key, tensor in expected.items())
        timeless = {"seconds": 0, "cpu_seconds": 0}
        assert {**values, **timeless} == {**other_values, **timeless}
    timing = {"seconds": 0, "samples_per_s": 0}
    strip = lambda run: [{**row, **timing} for row in read_history(run / "history.csv")]  # noqa: E731
    assert strip(one) == strip(other)
    for name in ("validations.csv", "metrics.csv", "table.md", "samples/latest.png"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    weights = "model/weights.safetensors"
    assert (one / weights).read_bytes() == (other / weights).read_bytes()


def test_another_seed_gives_another_network(make_config, tiny_source, tmp_path):
    runs = [train(make_config(seed=s, output=str(tmp_path / str(s))), data=tiny_source()) for s in (1, 2)]
    states = [load_bundle(run.model_dir).create().state_dict() for run in runs]
    assert not torch.equal(*(state["inc.0.weight"] for state in states))


def test_training_leaves_the_callers_random_numbers_and_threads_alone(make_config, source):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    threads = torch.get_num_threads()
    train(make_config(steps=2), data=source)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_a_finished_run_resumes_to_its_result_and_can_be_made_longer(make_config, source):
    first = train(make_config(), data=source)
    again = train(make_config(), data=source, resume=True)
    assert (again.step, again.best) == (first.step, first.best)
    assert train(make_config(steps=14), data=source, resume=True).step == 14


@pytest.mark.parametrize("limit", [{"gradient_clip": None}, {"gradient_clip": 1.0}])
def test_a_loss_that_is_no_number_stops_with_advice_and_keeps_the_good_checkpoint(
    make_config, tiny_source, tmp_path, limit
):
    with pytest.raises(DlsimError, match="not a number") as caught:
        train(make_config(**limit), data=tiny_source(poison_from=7))
    assert "optimiser.lr" in caught.value.hint
    tensors, values = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert values["step"] == 6
    assert all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point())
    assert not (tmp_path / "run" / "model").exists()


def test_a_checkpoint_never_holds_weights_that_are_no_numbers(make_config, tiny_source, tmp_path):
    last = tmp_path / "run" / "checkpoints" / "last.safetensors"
    with pytest.raises(DlsimError, match="not a number"):  # step 3 is a checkpoint, no row of the history
        train(make_config(), data=tiny_source(poison_from=2))
    assert not last.exists()


def test_the_gradient_is_clipped(make_config, tiny_source, tmp_path):
    def moved(clip):
        out = tmp_path / str(clip)
        config = make_config(gradient_clip=clip, ema_decay=None, steps=2, export="last", output=str(out))
        state = load_bundle(train(config, data=tiny_source()).model_dir).create().state_dict()
        torch.manual_seed(config.seed)
        start = create_network("unet-sim3", width=2).state_dict()
        return float((state["inc.0.weight"] - start["inc.0.weight"]).abs().max())

    assert moved(None) > 1e-3
    assert moved(1e-12) < 1e-5  # far below Adam's epsilon


def test_bfloat16_is_another_computation_of_nearly_the_same(make_config, tiny_source, tmp_path):
    rows = []
    for precision in ("float32", "bfloat16"):
        out = tmp_path / precision
        train(make_config(precision=precision, output=str(out)), data=tiny_source())
        rows.append(read_history(out / "history.csv")[0]["train_loss"])
    assert rows[0] != rows[1]
    assert rows[1] == pytest.approx(rows[0], rel=0.02)


def test_early_stop_counts_validations_without_a_better_one(make_config, source):
    config = make_config(steps=1000, validate_every=2, early_stop_patience=3, optimiser={"lr": 1e-30})
    result = train(config, data=source)
    assert result.stopped == "early stop"
    # nothing is learned: only BatchNorm's statistics move, for a while
    assert result.step == result.best["step"] + 3 * 2
    again = train(config, data=source, resume=True)
    assert (again.step, again.stopped) == (result.step, "early stop")


def test_without_validation_the_last_weights_are_exported(make_config, tiny_source):
    result = train(make_config(), data=tiny_source(validation=False))
    assert result.best is None
    card = load_bundle(result.model_dir).card
    assert card.scores == {}
    assert card.training["step"] == 12


def test_last_exports_the_average_not_the_raw_weights(make_config, source, tmp_path):
    result = train(make_config(export="last"), data=source)
    tensors, _ = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors")
    weights = load_bundle(result.model_dir).create().state_dict()
    assert torch.equal(weights["inc.0.weight"], tensors["average/inc.0.weight"])
    assert not torch.equal(weights["inc.0.weight"], tensors["network/inc.0.weight"])


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bfloat16"},
        {"channels_last": True},
        {
            "loss": "seed", "ema_decay": None, "gradient_clip": None, "batch_size": 1,
            "optimiser": {"name": "adam", "lr": 1e-3}, "schedule": {"name": "seed-actual"},
            "steps": None, "epochs": 2,
        },
    ],
)  # fmt: skip
def test_variants_resume_to_the_same_bits(make_config, tiny_source, tmp_path, changes):
    whole = train(make_config(**changes, output=str(tmp_path / "whole")), data=tiny_source())
    with pytest.raises(KeyboardInterrupt):
        train(make_config(**changes), data=tiny_source(stop=(4, signal.SIGTERM)))
    assert_same_run(whole.run_dir, train(make_config(**changes), data=tiny_source(), resume=True).run_dir)


def test_epochs_give_the_length_and_the_schedule_follows_them(make_config, source, tmp_path):
    config = make_config(
        steps=None, epochs=4, batch_size=7, log_every=1, schedule={"name": "seed-actual", "epochs": (1, 2, 3)}
    )
    assert train(config, data=source).step == 4
    assert [row["lr"] for row in read_history(tmp_path / "run" / "history.csv")] == [0.01, 5e-5, 5e-5, 5e-5]


def test_a_used_folder_is_refused_and_left_as_it_is(make_config, source, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        train(make_config(), data=source)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimiser": {"lr": 0.02}}, "optimiser.lr"),
        ({"network": {"name": "unet-sim3", "options": {"width": 3}}}, "network.options.width"),
        ({"seed": 9}, "seed"),
        ({"batch_size": 2}, "batch_size"),
    ],
)
def test_resuming_with_other_settings_names_the_difference(make_config, source, changes, words):
    train(make_config(steps=3), data=source)
    with pytest.raises(ConfigError, match=words):
        train(make_config(**changes), data=source, resume=True)


def test_resuming_nothing_or_with_other_data_is_refused(make_config, tiny_source):
    with pytest.raises(DataError, match="no run to resume"):
        train(make_config(), data=tiny_source(), resume=True)
    train(make_config(steps=3), data=tiny_source())
    with pytest.raises(DataError, match="8 samples"):
        train(make_config(), data=tiny_source(samples=8), resume=True)


def test_network_and_data_that_do_not_fit_are_refused_before_anything_is_written(
    make_config, source, tmp_path
):
    for name, words in (("in_channels", "in_channels"), ("scale", "scale")):
        misfit = type(source)()
        setattr(misfit, name, 4)
        with pytest.raises(ModelError, match=words):
            train(make_config(), data=misfit)
    with pytest.raises(DataError, match="no training sample"):
        train(make_config(), data=type(source)(samples=0))
    with pytest.raises(ConfigError, match="no data"):
        train(make_config())
    with pytest.raises(ConfigError, match="no folder"):
        train(make_config(output=None), data=source)
    assert not (tmp_path / "run").exists()


def test_exhausted_memory_gets_advice(make_config, source, monkeypatch):
    def exhausted(indices, rng):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ...")

    monkeypatch.setattr(source, "batch", exhausted)
    with pytest.raises(DlsimError, match="memory") as caught:
        train(make_config(batch_size=8), data=source)
    assert "batch_size=4" in caught.value.hint


def test_other_errors_of_torch_are_not_dressed_as_memory(make_config, source, monkeypatch):
    monkeypatch.setattr(source, "batch", lambda indices, rng: torch.zeros(2) + torch.zeros(3))
    with pytest.raises(RuntimeError, match="size of tensor"):
        train(make_config(), data=source)


@pytest.mark.parametrize("limit", ["max_cpu_minutes", "max_minutes"])
def test_a_limit_of_time_finishes_the_run_and_can_be_raised(limit, make_config, source):
    first = train(make_config(**{limit: 1e-9}), data=source)
    assert (first.step, first.stopped) == (1, "finished")
    assert (first.model_dir / "weights.safetensors").is_file()
    assert first.metrics["step"] == 1  # validated at its end
    again = train(make_config(**{limit: 1e-9}), data=source, resume=True)
    assert again.step == 1
    whole = train(make_config(**{limit: 60.0}), data=source, resume=True)
    assert (whole.step, whole.stopped) == (12, "finished")
