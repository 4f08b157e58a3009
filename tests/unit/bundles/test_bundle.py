from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dlsim_ij.bundles import ModelCard, load_bundle, load_seed_weights, save_bundle, shipped
from dlsim_ij.errors import ModelError, OutputError
from dlsim_ij.networks import create_network

CARD = {
    "name": "tiny",
    "architecture": {"name": "unet-sim3", "options": {"width": 2}},
    "in_channels": 3,
    "scale": 1,
    "side_multiple": 16,
    "frames": {"total": 15, "selection": [0, 5, 10]},
    "batchnorm": "running",
    "licence": "BSD-3-Clause",
}


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = create_network("unet-sim3", width=2)
    network(torch.rand(4, 3, 32, 32))  # running statistics unlike those of a new network
    return network.eval()


@pytest.fixture
def folder(network, tmp_path):
    save_bundle(tmp_path / "tiny", network, CARD)
    return tmp_path / "tiny"


def change_card(folder, **changes):
    path = folder / "model.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, **changes}))


@pytest.mark.parametrize("part", [".", "model.json", "weights.safetensors"])
def test_a_saved_model_comes_back_with_the_same_output(network, folder, part):
    bundle = load_bundle(folder / part)
    again = bundle.create()
    image = torch.rand(1, 3, 32, 48)
    assert torch.equal(again(image), network(image))
    assert not again.training
    assert bundle.name == "tiny"
    assert bundle.card.frames.selection == (0, 5, 10)
    assert sorted(p.name for p in folder.iterdir()) == ["model.json", "weights.safetensors"]


def test_batchnorm_mode_of_the_card_is_set(network, tmp_path):
    save_bundle(tmp_path / "m", network, {**CARD, "batchnorm": "per-image"})
    found = load_bundle(tmp_path / "m").create()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(found(image), network.train()(image), rtol=1e-4, atol=1e-5)


def test_an_existing_model_is_replaced_only_when_asked(network, folder):
    before = (folder / "weights.safetensors").read_bytes()
    torch.nn.init.ones_(network.outc5.weight)
    with pytest.raises(OutputError, match="already"):
        save_bundle(folder, network, CARD)
    assert (folder / "weights.safetensors").read_bytes() == before
    save_bundle(folder, network, CARD, overwrite=True)
    assert torch.equal(load_bundle(folder).create().outc5.weight, network.outc5.weight)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"in_channel": 3}, "in_channels"),
        ({"scale": 0}, "scale"),
        ({"batchnorm": "train"}, "batchnorm"),
        ({"frames": {"total": 15, "selection": [0, 15]}}, "no frame 15"),
        ({"architecture": {"name": "unet-sim3", "option": {}}}, "options"),
        ({"format_version": 2}, "newer"),
    ],
)
def test_a_wrong_card_is_refused_at_saving_and_at_loading(network, folder, tmp_path, change, words):
    with pytest.raises(ModelError, match=words):
        save_bundle(tmp_path / "other", network, {**CARD, **change})
    assert not (tmp_path / "other").exists()
    change_card(folder, **change)
    with pytest.raises(ModelError, match=words):
        load_bundle(folder)


def test_changed_weights_are_noticed(folder):
    weights = folder / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1  # one bit
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="sha256"):
        load_bundle(folder)


def test_damaged_weights_with_a_fitting_sum_are_refused_in_words(folder):
    import hashlib

    for data in (b"", b"\xff" * 100, (folder / "weights.safetensors").read_bytes()[:-8]):
        (folder / "weights.safetensors").write_bytes(data)
        change_card(folder, weights_sha256=hashlib.sha256(data).hexdigest())
        with pytest.raises(ModelError, match="cannot be read"):
            load_bundle(folder).create()


def test_weights_of_another_architecture_are_refused(folder):
    for architecture in (
        {"name": "unet-sim4", "options": {"width": 2}},
        {"name": "unet-sim3", "options": {"width": 4}},
        {"name": "scunet", "options": {"width": 2}},
    ):
        change_card(folder, architecture=architecture)
        with pytest.raises(ModelError, match="do not fit"):
            load_bundle(folder).create()
    change_card(folder, architecture={"name": "unet-sim33"})
    with pytest.raises(ModelError, match="unet-sim33"):
        load_bundle(folder).create()


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"name": "x"}', "\x00", '"text"'])
def test_a_card_that_is_no_card_is_refused(folder, text):
    (folder / "model.json").write_text(text)
    with pytest.raises(ModelError):
        load_bundle(folder)


def test_missing_files_are_named(folder, tmp_path):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no weights\.safetensors"):
        load_bundle(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"model\.json"):
        load_bundle(tmp_path / "empty")
    with pytest.raises(ModelError, match="no model at"):
        load_bundle(tmp_path / "nowhere")


def test_shipped_models_are_found_by_name_and_a_misspelt_one_is_suggested(folder, monkeypatch):
    monkeypatch.setattr(shipped, "_root", lambda: folder.parent)
    here = folder.parent / "elsewhere"
    (here / "tiny").mkdir(parents=True)
    monkeypatch.chdir(here)  # a folder of the same name, say of results, is not in the way
    assert shipped.shipped_names() == ["tiny"]
    assert load_bundle("tiny").folder == folder
    with pytest.raises(ModelError, match="is no model"):
        load_bundle(here / "tiny")
    with pytest.raises(ModelError, match="did you mean 'tiny'"):
        load_bundle("tiny3")


def test_whatever_is_shipped_loads():
    for name in shipped.shipped_names():
        network = load_bundle(name).create()
        assert network.in_channels == load_bundle(name).card.in_channels


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_of_the_seed_load_when_the_pickle_is_trusted(tmp_path, monkeypatch, legacy):
    small = lambda name: create_network(name, width=2)  # noqa: E731  the real one has 124 MB
    monkeypatch.setattr("dlsim_ij.bundles.seed_weights.create_network", small)
    theirs = small("unet-sim15").eval()
    path = tmp_path / "seed.pkl"
    torch.save(theirs.state_dict(), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ModelError, match="trust-pickle"):
        load_seed_weights(path, "unet-sim15")
    frames = torch.rand(1, 15, 32, 32)
    ours = load_seed_weights(path, "unet-sim15", trust_pickle=True)
    assert torch.equal(ours(frames), theirs(frames))
    with pytest.raises(ModelError, match="does not fit"):
        load_seed_weights(path, "unet-sim3", trust_pickle=True)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def test_a_trusted_pickle_still_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Evil()))
    torch.save({"inc": Evil()}, tmp_path / "torch.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "empty.pkl").touch()
    (tmp_path / "text.pkl").write_text("not a pickle")
    for path in tmp_path.iterdir():
        with pytest.raises(ModelError, match="holds no"):
            load_seed_weights(path, "unet-sim15", trust_pickle=True)
    with pytest.raises(ModelError, match="cannot be read"):
        load_seed_weights(tmp_path / "none.pkl", "unet-sim15", trust_pickle=True)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ModelError, match="pickle"):
        load_bundle(tmp_path / "torch.pth")


def test_naming_models_loads_no_torch():
    code = (
        "import sys; from dlsim_ij.bundles import shipped_names, ModelCard;"
        "from dlsim_ij.bundles.bundle import read_bundle; import dlsim_ij.training.settings;"
        "import dlsim_ij.cli.models, dlsim_ij.cli.train; shipped_names();"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_half_precision_takes_half_the_space_and_computes_in_full(network, folder, tmp_path):
    save_bundle(tmp_path / "half", network, CARD, half_precision=True)
    half, full = load_bundle(tmp_path / "half"), load_bundle(folder)
    assert half.weights_path.stat().st_size < 0.7 * full.weights_path.stat().st_size  # the header stays
    again = half.create()
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    image = torch.rand(1, 3, 32, 48)
    torch.testing.assert_close(again(image), network(image), rtol=0, atol=5e-3)


@pytest.mark.parametrize(
    ("frames", "phases", "sizes"),
    [
        ({"total": 15, "selection": [0]}, None, (15,)),
        (None, None, ()),
        ({"total": 15, "selection": [0]}, [5, 3], (15, 9)),
    ],
)
def test_a_card_tells_which_stacks_it_takes(frames, phases, sizes):
    made_from = {"kind": "wiener-channels", "n_angles": 3} | ({"n_phases": phases} if phases else {})
    card = ModelCard(**{**CARD, "frames": frames, "input": made_from, "weights_sha256": "0" * 64})
    assert card.stack_sizes == sizes
    assert card.takes(3, 5) is (15 in sizes)
    assert card.takes(3, 3) is (9 in sizes)
    assert not card.takes(5, 3)
