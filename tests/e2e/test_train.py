"""`dlsim train` and `dlsim models` as a user calls them, on a tiny prepared dataset."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from dlsim_ij.cli.main import run

SETTINGS = {
    "network": {"name": "unet-sim3", "options": {"width": 2}},
    "data": {"kind": "prepared", "options": {"dataset": "dataset", "frames": "sim3"}},
    "steps": 6, "batch_size": 2, "patch_px": 32, "log_every": 2, "validate_every": 3, "checkpoint_every": 2,
    "threads": 1, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a dataset of three fields and a configuration."""
    from dlsim_ij.datasets.field_file import Planes, write_field
    from dlsim_ij.datasets.index import DatasetIndex, FieldEntry, FieldScaling

    rng = np.random.default_rng(0)
    (tmp_path / "dataset" / "fields").mkdir(parents=True)
    entries = []
    for number, part in enumerate(("train", "train", "validation")):
        truth = rng.integers(0, 1000, (32, 64), dtype=np.uint16)
        frames = np.stack([truth + 100] * 15)
        name = f"fields/{number}.safetensors"
        planes = {
            "normal": Planes(shape=frames.shape, dtype="uint16", planes=lambda stack=frames: iter(stack)),
            "truth": Planes(shape=truth.shape, dtype="uint16", planes=lambda image=truth: iter([image])),
        }
        write_field(tmp_path / "dataset" / name, planes, {})
        scaling = {
            "normal": FieldScaling(offset=100, scale=1000),
            "truth": FieldScaling(offset=0, scale=1000),
        }
        entries.append(
            FieldEntry(
                name=str(number), file=name, part=part, shape=(32, 64), tiles=((0, 0), (0, 32)),
                tiles_in_grid=2, maxima={}, scaling=scaling, pixel_size_um=None, inputs={},
            )
        )  # fmt: skip
    DatasetIndex(
        created_by="test", frames=15, kinds=("normal", "truth"), enlargement=1, truth_scale=1, tile_px=32,
        constants={"HE": 1100.0, "HER": 1000.0}, parameters={}, warnings=(), fields=tuple(entries),
    ).write(tmp_path / "dataset")  # fmt: skip
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SETTINGS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_prints_one_json_line_and_its_model_is_listed(folder, capfd):
    assert run(["train", "small.yaml", "--json"]) == 0
    out, err = capfd.readouterr()
    result = json.loads(out)
    assert {"run_dir", "epoch", "best", "metrics"} <= result.keys()
    assert (result["run_dir"], result["step"], result["epoch"]) == ("runs/small", 6, 2)
    assert result["best"]["step"] in (3, 6)
    memory, *steps = err.splitlines()
    assert re.fullmatch(r"train: memory about \S+ [MG]iB of \S+ [MG]iB free main memory", memory)
    assert [line.split(",")[0] for line in steps] == ["train: step 3 of 6", "train: step 6 of 6"]
    assert all(re.search(r", loss .* dB, \S+ samples/s", line) for line in steps)
    assert " min left" in steps[0]
    assert "| validation | all |" in (folder / "runs/small/table.md").read_text()
    assert run(["models", result["model_dir"], "--json"]) == 0
    (model,) = json.loads(capfd.readouterr().out)["models"]
    assert model["architecture"] == {"name": "unet-sim3", "options": {"width": 2}}
    assert model["scores"]["validation"]["step"] == result["metrics"]["step"]


def test_text_for_people_names_the_model_and_quiet_shows_no_bar(folder, capfd):
    assert run(["train", "small.yaml", "-o", "here", "-q", "--seed", "3", "--set", "batch_size=4"]) == 0
    out, err = capfd.readouterr()
    assert "here/model" in out
    assert err == ""
    written = yaml.safe_load((folder / "here" / "config.yaml").read_text())
    assert (written["seed"], written["batch_size"], written["output"]) == (3, 4, "here")


def test_a_run_is_never_replaced_but_goes_on_with_resume(folder, capfd):
    assert run(["train", "small.yaml", "--set", "steps=4"]) == 0
    before = (folder / "runs/small/model/weights.safetensors").read_bytes()
    assert run(["train", "small.yaml"]) == 2
    err = capfd.readouterr().err
    assert "error: the run folder runs/small is not empty" in err
    assert "--resume" in err
    assert (folder / "runs/small/model/weights.safetensors").read_bytes() == before
    assert run(["train", "small.yaml", "--resume", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["step"] == 6


def test_a_mixture_of_datasets_trains_and_its_groups_are_told_apart(folder, capfd):
    prepared = {"kind": "prepared", "options": {"dataset": "dataset", "frames": "sim3"}}
    data = {"kind": "mixed", "options": {"sources": [prepared, {**prepared, "name": "twin", "weight": 2}]}}
    (folder / "mixed.yaml").write_text(yaml.safe_dump({**SETTINGS, "data": data}))
    assert run(["train", "mixed.yaml", "-q", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["epoch"] == 0  # 4 + 8 samples are 6 steps of 2
    lines = (folder / "runs/mixed/validations.csv").read_text().splitlines()
    assert {line.split(",")[1] for line in lines[1:]} == {"prepared 1: 2", "twin: 2"}
    assert run(["train", "mixed.yaml", "-o", "x", "--set", "data.options.sources=[]"]) == 2
    assert "sources" in capfd.readouterr().err


def test_dry_run_says_everything_and_writes_nothing(folder, capfd):
    before = sorted(folder.rglob("*"))
    assert run(["train", "small.yaml", "--dry-run", "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["run_dir"] == "runs/small"
    assert result["parameters"] > 10_000
    assert result["config"]["batch_size"] == 2
    assert result["memory"]["step_bytes"] > 0
    assert run(["train", "small.yaml", "--dry-run"]) == 0
    out = capfd.readouterr().out
    assert "batch_size: 2" in out
    assert "; memory about " in out
    assert run(["train", "small.yaml", "--dry-run", "--set", "network.name=unet-sim4"]) == 2
    assert "in_channels" in capfd.readouterr().err
    assert run(["train", "small.yaml", "--dry-run", "--set", "data.options.frame=sim3"]) == 2
    assert "frames" in capfd.readouterr().err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["none.yaml"], "none.yaml", "path"),
        (["small.yaml", "--set", "bach_size=1"], "bach_size", "batch_size"),
        (["small.yaml", "--set", "batch_size"], "key=value", "--set"),
        (["small.yaml", "--set", "data.options.frame=sim3"], "frame", "frames"),
        (["small.yaml", "--set", "data.options.dataset=elsewhere"], "elsewhere", "prepare"),
        (["small.yaml", "--set", "network.name=unet-sim4"], "in_channels", "options"),
        (["small.yaml", "--set", "patch_px=40"], "40", "32"),
        (["small.yaml", "--set", "patch_px=24"], "multiples of 16", "patch_px=16"),
        (["small.yaml", "--resume"], "no run to resume", "--resume"),
        (["small.yaml", "--set", "network.options.width=[1, 2]"], "width", "options"),
        (["small.yaml", "--set", "batch_size=100000000"], "main memory", "batch_size=50000000"),
        (["small.yaml", "--set", "sample_pictures=9"], "sample_pictures", "training.md"),
    ],
)
def test_bad_settings_get_one_line_and_a_hint(folder, capfd, words, error, hint):
    assert run(["train", *words]) == 2
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line.startswith(("error: ", "hint: "))]
    assert out == ""
    assert len(lines) == 2
    assert error in lines[0]
    assert hint in lines[1]
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_130_and_a_run_that_goes_on(folder, number):
    command = [sys.executable, "-m", "dlsim_ij", "train", "small.yaml", "--set", "steps=100000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    )
    last = folder / "runs/small/checkpoints/last.safetensors"
    until = time.monotonic() + 60
    while not last.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "go on with --resume" in err
    assert "Traceback" not in err
    from dlsim_ij.training.checkpoint import load_checkpoint

    step = load_checkpoint(last)[1]["step"]
    assert step >= 2
    more = [*command[:-1], f"steps={step + 1}", "--resume", "--json"]
    done = subprocess.run(more, capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stdout)["step"] == step + 1


def test_models_lists_what_is_shipped_and_refuses_what_is_not(capfd):
    assert run(["models", "--json"]) == 0
    listed = json.loads(capfd.readouterr().out)
    assert "unet-sim15" in listed["networks"]
    for model in listed["models"]:
        assert model["licence"] != "not stated"
    assert run(["models"]) == 0
    assert "unet-sim15" in capfd.readouterr().out
    assert run(["models", "simm15"]) == 2
    assert "error: no model is called 'simm15'" in capfd.readouterr().err


@pytest.mark.parametrize("verb", ["train", "models"])
def test_help_has_an_example_and_the_line_of_the_list_of_verbs(verb, capfd):
    from dlsim_ij.cli.main import VERBS

    assert run([verb, "--help"]) == 0
    out = capfd.readouterr().out
    assert f"Example: dlsim {verb}" in out
    assert VERBS[verb] in " ".join(out.split())


def test_a_listed_model_says_frames_scale_pixels_and_licence(tmp_path, capfd, monkeypatch):
    from dlsim_ij.bundles import save_bundle, shipped
    from dlsim_ij.networks import create_network

    card = {
        "name": "small", "description": "for tests",
        "architecture": {"name": "unet-sim3", "options": {"width": 2}},
        "in_channels": 3, "scale": 1, "frames": {"total": 15, "selection": [0, 5, 10]}, "pixel_size_um": 0.06,
        "licence": "BSD-3-Clause",
    }  # fmt: skip
    save_bundle(tmp_path / "small", create_network("unet-sim3", width=2), card)
    monkeypatch.setattr(shipped, "_root", lambda: tmp_path)
    assert run(["models"]) == 0
    out = capfd.readouterr().out
    assert "for tests" in out
    assert "3 of 15 frames, x1, 60 nm pixels, licence BSD-3-Clause" in out
    assert run(["models", "small"]) == 0
    assert yaml.safe_load(capfd.readouterr().out)["frames"]["selection"] == [0, 5, 10]
