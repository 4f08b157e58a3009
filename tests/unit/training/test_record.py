from __future__ import annotations

import builtins
import importlib.util

import pytest

from dlsim_ij.errors import ConfigError
from dlsim_ij.training import pace, train
from dlsim_ij.training.checkpoint import load_checkpoint
from dlsim_ij.training.history import VALIDATION_COLUMNS, History, read_history
from dlsim_ij.training.pace import Pace


def test_every_group_has_its_learning_curve(make_config, source, tmp_path):
    result = train(make_config(), data=source)
    rows = read_history(tmp_path / "run" / "validations.csv", VALIDATION_COLUMNS)
    assert [(row["step"], row["group"]) for row in rows] == [
        (step, group) for step in (4, 8, 12) for group in ("bright", "dim")
    ]
    best = {row["group"]: row for row in rows if row["step"] == result.best["step"]}
    for group, means in result.best["groups"].items():
        assert best[group]["psnr_db"] == pytest.approx(means["psnr_db"], rel=1e-5)


def test_the_model_card_holds_the_final_table(make_config, source):
    from dlsim_ij.bundles import load_bundle

    scores = load_bundle(train(make_config(), data=source).model_dir).card.scores
    assert set(scores["table"]["validation"]) == {"bright", "dim", "all"}
    assert scores["table"]["validation"]["all"]["psnr_db"]["n"] == 2


def test_a_history_of_an_earlier_version_goes_on(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,epoch,lr,train_loss,valid_loss,valid_psnr_db,seconds\n10,0,0.001,0.5,,,1\n")
    history = History(path, last_step=10)
    history.append({"step": 20, "epoch": 0, "samples_per_s": 4.0})
    assert [row["samples_per_s"] for row in read_history(path)] == [None, 4.0]


@pytest.mark.parametrize("count", [0, 2])
def test_as_many_numbered_checkpoints_are_kept_as_asked_for(make_config, source, tmp_path, count):
    train(make_config(keep_checkpoints=count, validate_every=100), data=source)
    folder = tmp_path / "run" / "checkpoints"
    kept = sorted(path.name for path in folder.glob("step_*"))
    assert kept == ["step_000009.safetensors", "step_000012.safetensors"][2 - count :]
    if count:
        assert load_checkpoint(folder / kept[0])[1]["step"] == 9
        assert (folder / kept[1]).read_bytes() == (folder / "last.safetensors").read_bytes()


def test_the_pace_leaves_pauses_out_and_begins_anew_at_every_row(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    clock = Pace()
    clock.count(6)
    now[0] += 2
    with clock.paused():
        now[0] += 50
        assert clock.take() == 3.0
        now[0] += 50
    assert clock.take() is None
    now[0] += 1
    clock.count(8)
    now[0] += 1
    assert clock.take() == pytest.approx(4.0)


def test_rows_and_progress_tell_samples_per_second(make_config, source, tmp_path):
    seen = []
    train(make_config(), data=source, progress=seen.append)
    rows = read_history(tmp_path / "run" / "history.csv")
    assert [p.samples_per_s for p in seen] == pytest.approx([row["samples_per_s"] for row in rows], rel=1e-4)
    assert min(row["samples_per_s"] for row in rows) > 0


def test_without_tensorboard_installed_the_run_says_so_before_it_starts(
    make_config, source, monkeypatch, tmp_path
):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "tensorboard" else found(name, *rest)
    )
    with pytest.raises(ConfigError, match="TensorBoard is not installed") as caught:
        train(make_config(tensorboard=True), data=source)
    assert "dlsim-ij[tensorboard]" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_tensorboard_is_not_touched_unless_asked_for(make_config, source, monkeypatch, tmp_path):
    real = builtins.__import__

    def guarded(name, *rest, **more):
        assert "tensorboard" not in name or name.startswith("dlsim_ij"), name
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", guarded)
    train(make_config(steps=1), data=source)
    assert not (tmp_path / "run" / "tensorboard").exists()


@pytest.mark.filterwarnings("default")  # what the package warns about itself is not ours
def test_tensorboard_gets_scalars_and_pictures(make_config, source, tmp_path):
    pytest.importorskip("tensorboard", reason="the extra is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(make_config(tensorboard=True), data=source)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    rows = read_history(tmp_path / "run" / "history.csv")
    losses = events.Scalars("train_loss")
    assert [event.step for event in losses] == [row["step"] for row in rows]
    assert [event.value for event in losses] == pytest.approx([row["train_loss"] for row in rows], rel=1e-4)
    assert [event.step for event in events.Scalars("psnr_db/dim")] == [4, 8, 12]
    assert [event.step for event in events.Images("samples")] == [4, 8, 12]
