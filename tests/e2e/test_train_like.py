"""`dlsim train --like` as a user calls it: a model that got better is kept, one that did not is refused."""

import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import dlsim_ij as dlsim
from dlsim_ij.bundles import load_bundle, save_bundle
from dlsim_ij.cli.main import run
from dlsim_ij.networks.registry import create_network
from dlsim_ij.tuning_job import TuneRequest, prepare, tune

ROOT = Path(__file__).parents[2]
TINY = {
    "data.options.fields": 4, "data.options.field_px": 64, "data.options.renew_epochs": None, "patch_px": 32,
    "data.options.structures": ["microtubules", "actin"], "data.options.proof_fields": 2, "batch_size": 4,
    "threads": 1, "device": "cpu", "precision": "float32",
}  # fmt: skip
SETTINGS = [word for key, value in TINY.items() for word in ("--set", f"{key}={json.dumps(value)}")]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A small network that has learned nothing: it returns its first channels, a noisy Wiener image."""
    folder = tmp_path_factory.mktemp("models") / "fresh"
    torch.manual_seed(0)
    options = {"in_channels": 11, "width": 4, "images": 2, "interval": True}
    network = create_network("native", **options)
    card = {
        "name": "fresh", "architecture": {"name": "native", "options": options}, "in_channels": 11,
        "scale": 2, "side_multiple": 8, "frames": {"total": 15, "selection": list(range(15))},
        "input": {"kind": "wiener-channels", "n_angles": 3, "n_phases": [5, 3]},
        "outputs": ["wiener", "object"], "interval": {"level": 0.9}, "normalisation": {"kind": "robust"},
        "pixel_size_um": 0.06, "optics": {"na": 1.49, "emission_nm": 525.0}, "licence": "BSD-3-Clause",
    }  # fmt: skip
    save_bundle(folder, network, card)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copy(ROOT / "examples" / "demo_raw.tif", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_that_got_better_is_kept_and_can_be_used(folder, start, capsys):
    words = ["train", "--like", "demo_raw.tif", "-o", "tuned", "--model", str(start), *SETTINGS]
    assert run([*words, "--set", "steps=40", "--set", "optimiser.lr=0.01", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["accepted"]
    proof = json.loads((folder / "tuned" / "proof.json").read_text())
    assert proof["accepted"]
    assert proof["held_out_fields"] == 8
    for target in ("wiener", "object"):
        found = proof["held_out"][target]
        assert found["psnr_gain"]["low"] > 0
        assert found["psnr_gain"]["mean"] == pytest.approx(
            found["psnr_db"]["tuned"] - found["psnr_db"]["start"]
        )
        assert 0 < found["within_interval"]["tuned"] < 1
    assert {row["target"] for row in proof["own_stacks"]} == {"wiener", "object"}
    text = (folder / "tuned" / "proof.md").read_text()
    assert "better and was kept" in text
    assert (folder / "tuned" / "proof.png").stat().st_size > 10_000

    bundle = load_bundle(folder / "tuned" / "model")
    assert bundle.card.training["tuned_from"]["name"] == "fresh"
    assert bundle.card.interval.level == 0.9
    assert bundle.card.scores["proof"]["accepted"]
    assert len(bundle.card.training["data"]["fitted"]) == 1
    assert str(folder) not in bundle.card.model_dump_json()
    assert not (folder / "tuned" / "training" / "model").exists()
    assert run(["predict", "demo_raw.tif", "-o", "images", "--model", "tuned/model", "-q"]) == 0
    assert np.isfinite(dlsim.read_image(next((folder / "images").glob("*.tif"))).values).all()

    # the run repeats without the raw file
    (folder / "demo_raw.tif").unlink()
    again = ["train", "tuned/training/config.yaml", "--set", "steps=1", "-o", "again", "-q"]
    assert run(again) == 0
    assert (folder / "again" / "model" / "model.json").exists()


def test_a_model_that_did_not_get_better_is_refused(folder, start, capsys):
    words = ["train", "--like", "demo_raw.tif", "-o", "tuned", "--model", str(start), *SETTINGS]
    assert run([*words, "--set", "steps=1", "--set", "optimiser.lr=1e-12"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("refused: not shown to be better than 'fresh' after 1 steps")
    assert "dB (95 %:" in captured.out  # what was measured
    assert json.loads((folder / "tuned" / "proof.json").read_text())["accepted"] is False
    assert not (folder / "tuned" / "model").exists()
    assert not list((folder / "tuned").rglob("model.json"))
    assert run([*words, "--resume"]) == 2  # it is finished
    assert "is finished" in capsys.readouterr().err
    assert run(words) == 2
    assert "is not empty" in capsys.readouterr().err


def test_an_interrupted_tuning_goes_on(folder, start):
    settings = {**TINY, "steps": 4, "checkpoint_every": 1, "log_every": 1}
    request = TuneRequest(
        raws=(folder / "demo_raw.tif",), output=folder / "tuned", model=str(start), overrides=settings
    )

    def stop(progress):
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(prepare(request), progress=stop)
    assert not (folder / "tuned" / "proof.json").exists()
    seen = []
    again = TuneRequest(
        raws=request.raws, output=request.output, model=str(start), overrides=settings, resume=True
    )
    found = tune(prepare(again), progress=lambda progress: seen.append(progress.step))
    assert found.steps == 4
    assert min(seen) == 3
    assert (folder / "tuned" / "proof.json").exists()


def test_a_dry_run_shows_fit_and_settings_and_writes_nothing(folder, capsys):
    before = sorted(folder.iterdir())
    words = ["train", "--like", "demo_raw.tif", "-o", "tuned", "--dry-run", "--set", "optimiser.lr=1e-4"]
    assert run([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["config"]["data"]["kind"] == "like"
    assert printed["config"]["optimiser"]["lr"] == 1e-4
    low, high = (
        printed["config"]["data"]["options"]["photons"][0][0],
        printed["config"]["data"]["options"]["photons"][1][1],
    )
    (stack,) = printed["fitted"]
    assert low < stack["conditions"]["photons"] < high
    assert stack["stack"] == "demo_raw"
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["--like", "-o", "tuned"], "--like without a raw stack", "for example"),
        (["--like", "demo_raw.tif"], "-o is missing", "for example"),
        (["--like", "sim15.yaml", "-o", "tuned"], "sim15.yaml is a configuration", "one of the two"),
        (["--like", "none.tif", "-o", "tuned"], "none.tif", ""),
        (["--like", "flat.npy", "-o", "tuned", "--pixel-size", "0.06"], "flat: ", ""),
        (["--like", "unknown.npy", "-o", "tuned"], "does not tell its pixel size", "--pixel-size"),
        (["--like", "demo_raw.tif", "-o", "tuned", "--layout", "5x5"], "demo_raw", ""),
        (["--like", "demo_raw.tif", "-o", "tuned", "--model", "sim16"], "sim16", ""),
        (["--like", "demo_raw.tif", "-o", "tuned", "--minutes", "0"], "0", ""),
        (["--like", "demo_raw.tif", "-o", "tuned", "--resume"], "no tuning to resume", "--resume away"),
        (["--like", "demo_raw.tif", "-o", "tuned", "--set", "stepps=3"], "unknown setting 'stepps'", "steps"),
        (["--like", "demo_raw.tif", "-o", "tuned", "--set", "data.kind=simulated"], "like your stacks", ""),
        ([], "0 configurations", "--like RAW"),
        (["a.yaml", "b.yaml"], "2 configurations", "--like RAW"),
        (["sim15.yaml", "--minutes", "3"], "--minutes goes with --like", ""),
        (["sim15.yaml", "--pixel-size", "0.06"], "--pixel-size goes with --like", ""),
    ],
)
def test_wrong_calls_are_refused_before_anything_is_written(words, said, hint, folder, capsys):
    shutil.copy(ROOT / "configs" / "sim15.yaml", folder)
    rng = np.random.default_rng(0)
    np.save(folder / "flat.npy", rng.poisson(100, (15, 64, 64)).astype(np.uint16))
    shutil.copy(folder / "flat.npy", folder / "unknown.npy")
    assert run(["train", *words]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert hint in captured.err
    assert not (folder / "tuned").exists()


def test_too_little_time_is_refused(folder, start, capsys, monkeypatch):
    monkeypatch.setattr("dlsim_ij.tuning_job.job._LEAST_STEPS", 10**9)  # more than any machine makes in time
    words = ["train", "--like", "demo_raw.tif", "-o", "tuned", "--model", str(start), *SETTINGS]
    assert run([*words, "--minutes", "1000"]) == 2
    assert "minutes leave time for" in capsys.readouterr().err


def test_a_machine_that_becomes_busier_loses_steps_not_the_promised_time(folder, start, capsys, monkeypatch):
    monkeypatch.setattr("dlsim_ij.tuning_job.job._LATEST", 1e-9)  # by then the time is over
    words = ["train", "--like", "demo_raw.tif", "-o", "tuned", "--model", str(start), *SETTINGS]
    assert run([*words, "--minutes", "1000", "--set", "optimiser.lr=1e-12"]) == 1  # no better, of course
    captured = capsys.readouterr()
    assert "the time is over after 1 of them" in captured.err
    assert json.loads((folder / "tuned" / "proof.json").read_text())["steps"] == 1
    assert run([*words, "--resume"]) == 2
    assert "is finished" in capsys.readouterr().err


def test_minutes_that_are_over_before_the_training_are_refused(folder, start, capsys, monkeypatch):
    slow = SimpleNamespace(monotonic=lambda: 10_000 * time.monotonic())  # as on a busy machine
    monkeypatch.setattr("dlsim_ij.tuning_job.job.time", slow)
    words = ["train", "--like", "demo_raw.tif", "-o", "tuned", "--model", str(start), *SETTINGS]
    assert run([*words, "--minutes", "0.1"]) == 2
    err = capsys.readouterr().err
    assert "fit and simulation alone have taken" in err
    assert "--set steps" in err
    assert list((folder / "tuned").iterdir()) == []  # so the next try may go there
