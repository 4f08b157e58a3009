"""Every recipe of the seed, from a dataset through a training to an image, as a user calls it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage

import dlsim_ij as dlsim
from dlsim_ij.cli.main import run
from dlsim_ij.datasets import PreparedPairs, PrepareSettings, prepare_dataset
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference import load_model, predict
from dlsim_ij.inference.network_input import make_input
from dlsim_ij.networks import create_network
from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import Conditions, paper_patterns
from dlsim_ij.training.recipes import make_recipe, recipe_names

SIM_RECIPES = [name for name in recipe_names() if name != "seed-srrf5"]
SMALL = ["network.options.width=2", "epochs=1", "patch_px=32", "threads=1", "device=cpu"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Return a folder with a dataset of three fields, enlarged twofold."""
    folder = tmp_path_factory.mktemp("seed")
    rng = np.random.default_rng(0)
    for number in range(3):
        spots = np.zeros((32, 32))
        spots[rng.integers(4, 28, 6), rng.integers(4, 28, 6)] = 1
        truth = 8000 * ndimage.gaussian_filter(spots, 1.5)
        # smooth: an overshoot of the enlargement below 0 would be cut in the dataset, which is 16 bit
        wide = ndimage.gaussian_filter(spots, 3).reshape(16, 2, 16, 2).mean(axis=(1, 3))
        wide /= wide.max()
        images = {
            "raw": 100 + 4000 * wide * rng.uniform(0.5, 1, (15, 1, 1)) + rng.normal(0, 5, (15, 16, 16)),
            "low": 100 + 60 * wide + rng.normal(0, 3, (15, 16, 16)),
            "truth": np.clip(truth + rng.normal(20, 10, truth.shape), 0, None),
        }
        for kind, image in images.items():
            (folder / "raw" / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / "raw" / kind / f"field_{number}.tif", image.round().astype(np.uint16))
    settings = PrepareSettings(tile_px=32, background="none", fractions=(0.6, 0.4, 0.0))
    prepare_dataset(folder / "raw", folder / "dataset", settings, resize=bicubic_enlarge)
    return folder


def train(work, name, *more):
    words = ["train", name, "-o", f"runs/{name}", "-q"]
    for setting in [*SMALL, "data.options.dataset=dataset", *more]:
        words += ["--set", setting]
    return run(words)


@pytest.mark.parametrize("name", SIM_RECIPES)
def test_a_recipe_trains_and_its_model_sees_what_it_was_trained_on(work, name, monkeypatch):
    monkeypatch.chdir(work)
    assert train(work, name) == 0
    model = load_model(f"runs/{name}/model")
    options = make_recipe(name, {"data.options.dataset": "dataset"}).data.options
    pairs = PreparedPairs(**options)
    channels, target, field = next(pairs.validation())
    kind = "low" if options["light"] == "low" else "raw"
    raw = tifffile.imread(work / "raw" / kind / f"{field}.tif")
    seen = make_input(model.card, raw, patterns=None, optics=None, resize=bicubic_enlarge)
    constant = model.card.normalisation["input"]
    assert constant == {"low": pairs.index.constants["LE"], "raw": pairs.index.constants["HE"]}[kind]
    # the dataset rounds enlarged frames to whole counts
    np.testing.assert_allclose(seen.channels, channels[0], atol=0.51 / constant)
    assert model.card.normalisation["output"] == pairs.index.constants["HE" if name == "seed-snr" else "HER"]
    assert (model.card.batchnorm, model.network.out_channels) == ("per-image", target.shape[1])
    image = predict(model, raw).image
    assert image.shape == ((15, 32, 32) if name == "seed-snr" else (32, 32))


def test_the_schedules_stand_in_the_history(work, monkeypatch):
    monkeypatch.chdir(work)
    for schedule, last in (("seed-actual", 5e-6), ("seed-intended", 1e-4)):
        words = ["train", "seed-sim3", "-o", f"runs/{schedule}", "-q"]
        for setting in [*SMALL, "data.options.dataset=dataset", f"schedule.name={schedule}", "log_every=1"]:
            words += ["--set", setting]
        assert run([*words, "--set", "epochs=4"]) == 0
        rows = (work / "runs" / schedule / "history.csv").read_text().splitlines()[1:]
        rates = [float(row.split(",")[2]) for row in rows]
        assert rates[0] == pytest.approx(1e-3)
        assert rates[-1] == pytest.approx(last)


@pytest.fixture(scope="module")
def stack():
    rng = np.random.default_rng(4)
    conditions = Conditions(patterns=paper_patterns(phases_rad=(0.3, 1.0, 2.0)), intensity=(1.0,) * 15)
    return simulate_sim(draw_structure("microtubules", (128, 144), 0.03, rng), conditions, rng).raw


def test_the_cascade_on_stacks_and_series(work, stack, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(work)
    for name in ("seed-snr", "seed-sim3"):
        if not (work / "runs" / name).exists():
            assert train(work, name) == 0
    path = dlsim.write_image(tmp_path / "movie.tif", np.concatenate([stack, stack]), pixel_size_um=0.06)
    words = ["predict", str(path), "--model", "runs/seed-sim3/model"]
    capfd.readouterr()
    assert run([*words, "--denoiser", "runs/seed-snr/model", "-o", str(tmp_path / "both"), "--json"]) == 0
    row = json.loads(capfd.readouterr().out)
    image = dlsim.read_image(row["output"])
    assert image.sizes == {"T": 2, "Y": 128, "X": 144}
    first, second = (load_model(f"runs/{name}/model") for name in ("seed-snr", "seed-sim3"))
    from dlsim_ij.inference import cascade

    np.testing.assert_allclose(image.values[1], cascade(first, second, stack).image, rtol=1e-4, atol=1e-2)
    assert run([*words, "--denoiser", "runs/seed-sim3/model", "-o", str(tmp_path / "wrong")]) == 2
    assert "do not make a cascade" in capfd.readouterr().err
    assert not (tmp_path / "wrong").exists()
    alone = ["predict", str(path), "--model", "runs/seed-snr/model", "-o", str(tmp_path / "frames")]
    assert run(alone) == 2
    assert "--denoiser" in capfd.readouterr().err


def test_recipes_have_names_that_are_suggested(work, monkeypatch, capfd):
    monkeypatch.chdir(work)
    assert run(["train", "seed-scunt"]) == 2
    err = capfd.readouterr().err
    assert "no recipe is called 'seed-scunt'" in err
    assert "did you mean 'seed-scunet'?" in err
    assert run(["train", "seed-sim3", "--set", "epoch=1"]) == 2
    assert "did you mean 'epochs'?" in capfd.readouterr().err
    assert run(["train", "missing.yaml"]) == 2
    assert "cannot read missing.yaml" in capfd.readouterr().err
    assert run(["train", "seed-sim3", "-o", "runs/new", "--set", "data.options.dataset=nowhere"]) == 2
    assert "nowhere" in capfd.readouterr().err
    assert not (work / "runs" / "seed-scunt").exists()


def test_weights_files_of_the_seed(tmp_path, stack, monkeypatch, capfd):
    small = lambda name: create_network(name, width=2)  # noqa: E731  the real one has 124 MB
    monkeypatch.setattr("dlsim_ij.bundles.seed_weights.create_network", small)
    network = small("unet-sim4")
    with torch.no_grad():  # random weights alone may give nothing but negative intensities, which are clipped
        list(network.parameters())[-1].fill_(0.5)
    torch.save(network.state_dict(), tmp_path / "UNet_SIM4.pkl")
    raw = dlsim.write_image(tmp_path / "cell.tif", stack, pixel_size_um=0.06)
    words = ["predict", str(raw), "--model", str(tmp_path / "UNet_SIM4.pkl"), "-q"]
    told = ["--trust-pickle", "--recipe", "seed-sim4-max", "--maxima", "5315,15383"]
    assert run([*words, *told, "-o", str(tmp_path / "out")]) == 0
    image = dlsim.read_image(tmp_path / "out" / "cell_sr.tif").values
    enlarged = np.stack([bicubic_enlarge(frame, 2) for frame in stack.astype(np.float32)])
    seen = np.stack([*enlarged[[0, 5, 10]], enlarged.max(axis=0)]) / np.float32(5315)
    expected = network.train()(torch.from_numpy(seen[None])).detach().numpy()[0, 0] * 15383
    assert image.any()
    np.testing.assert_allclose(image, np.maximum(expected, 0), rtol=1e-3, atol=1)

    for wrong, message in (
        ([], "can run any code"),
        (["--trust-pickle"], "--maxima"),
        (["--recipe", "seed-sim4"], "--trust-pickle"),
        ([*told[:2], "seed-sim4", "--maxima", "5315"], "two numbers"),
        ([*told[:3], "--maxima", "0,1"], "two positive numbers"),
        ([*told[:2], "seed-scunt", *told[3:]], "did you mean 'seed-scunet'?"),
        ([*told[:2], "seed-sim3", *told[3:]], "does not fit"),
    ):
        assert run([*words, *wrong, "-o", str(tmp_path / "no")]) == 2, wrong
        assert message in capfd.readouterr().err
    assert run([*words[:3], "sim15", "--trust-pickle", "-o", str(tmp_path / "no")]) == 2
    assert "weights of the seed" in capfd.readouterr().err
    assert not (tmp_path / "no").exists()
