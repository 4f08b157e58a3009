"""`dlsim models --import`: a weights file of the seed becomes a model folder, once."""

import json

import numpy as np
import pytest
import torch

import dlsim_ij as dlsim
from dlsim_ij.bundles import load_bundle
from dlsim_ij.cli.main import run
from dlsim_ij.networks import create_network

TOLD = ["--trust-pickle", "--recipe", "seed-sim3", "--maxima", "5315,15383"]


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Weights as torch.save leaves them, of a small network: the real one has 124 MB."""
    small = lambda name, **_: create_network(name, width=2)  # noqa: E731
    monkeypatch.setattr("dlsim_ij.bundles.seed_weights.create_network", small)
    monkeypatch.setattr("dlsim_ij.bundles.bundle.create_network", small)
    network = small("unet-sim3")
    with torch.no_grad():  # random weights alone may give nothing but negative intensities, which are clipped
        list(network.parameters())[-1].fill_(0.5)
    torch.save(network.state_dict(), tmp_path / "UNet.pkl")
    return tmp_path / "UNet.pkl"


def test_the_folder_predicts_what_the_file_does(weights, tmp_path, capfd):
    words = ["models", "--import", str(weights), "-o", str(tmp_path / "mine"), *TOLD]
    assert run([*words, "--json"]) == 0
    card = json.loads(capfd.readouterr().out)["models"][0]
    assert card["name"] == "mine"
    assert card["normalisation"] == {"kind": "seed", "input": 5315.0, "output": 15383.0, "truth_gain": 1.0}
    assert card["batchnorm"] == "per-image"
    assert card["frames"]["selection"] == [0, 5, 10]
    assert card["training"]["imported"]["file"] == "UNet.pkl"
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]
    load_bundle(tmp_path / "mine").verify()

    stack = np.random.default_rng(0).poisson(800, (15, 32, 32)).astype(np.uint16)
    raw = str(dlsim.write_image(tmp_path / "cell.tif", stack, pixel_size_um=0.06))
    predict = ["predict", raw, "-q", "--force"]  # noise alone has no pattern
    assert run([*predict, "-o", str(tmp_path / "a"), "--model", str(tmp_path / "mine")]) == 0
    assert run([*predict, "-o", str(tmp_path / "b"), "--model", str(weights), *TOLD]) == 0
    ours, theirs = (dlsim.read_image(tmp_path / folder / "cell_sr.tif").values for folder in "ab")
    assert ours.any()
    np.testing.assert_array_equal(ours, theirs)

    before = (tmp_path / "mine" / "weights.safetensors").read_bytes()
    assert run(words) == 2
    assert "--overwrite" in capfd.readouterr().err
    assert (tmp_path / "mine" / "weights.safetensors").read_bytes() == before
    assert run([*words, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "mine", *TOLD[1:]], "can run any code"),
        (["-o", "mine", "--trust-pickle"], "--recipe"),
        (TOLD, "-o FOLDER"),
        (["sim15", "-o", "mine", *TOLD], "no NAME"),
        (["-o", "mine", *TOLD[:2], "seed-scunet", *TOLD[3:]], "do not belong"),
        (["-o", "mine", *TOLD[:3], "--maxima", "0,1"], "two positive numbers"),
    ],
)
def test_what_is_missing_or_wrong_is_said(weights, tmp_path, monkeypatch, capfd, words, message):
    monkeypatch.chdir(tmp_path)
    assert run(["models", "--import", str(weights), *words]) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "mine").exists()


def test_options_of_an_import_want_an_import(capfd):
    assert run(["models", "--trust-pickle"]) == 2
    assert "--import" in capfd.readouterr().err


def test_a_pickle_that_holds_more_than_numbers_is_refused(tmp_path, capfd):
    torch.save({"inc": print}, tmp_path / "evil.pkl")
    words = ["models", "--import", str(tmp_path / "evil.pkl"), "-o", str(tmp_path / "mine"), *TOLD]
    assert run(words) == 2
    assert "no plain weights" in capfd.readouterr().err
    assert not (tmp_path / "mine").exists()
