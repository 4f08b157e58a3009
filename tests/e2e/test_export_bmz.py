"""`dlsim export-bmz`: packages of shipped and own models; bioimageio.core's test of them; the same pixels."""

import importlib.util
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from dlsim_ij.bundles import load_bundle, save_bundle, shipped_names
from dlsim_ij.cli.main import run
from dlsim_ij.datasets.inputs import input_kind
from dlsim_ij.images import bicubic_enlarge, read_image
from dlsim_ij.inference import load_model, predict
from dlsim_ij.inference.network_input import make_input
from dlsim_ij.networks import create_network
from dlsim_ij.zoo_job import check_package
from dlsim_ij.zoo_job import package as package_module

DEMO = Path(__file__).parents[2] / "examples" / "demo_raw.tif"
NATIVE = [
    "rdf.yaml",
    "README.md",
    "cover.png",
    "test_input.npy",
    "test_output.npy",
    "network.py",
    "weights.pt",
]

needs_bioimageio = pytest.mark.skipif(
    importlib.util.find_spec("bioimageio") is None, reason="no bioimageio.core: pip install 'dlsim-ij[bmz]'"
)

SEED = {"kind": "seed", "input": 5315.0, "output": 15383.0, "truth_gain": 1.0}
OWN = {
    "wiener": {
        "architecture": ("native", {"in_channels": 11, "width": 4, "images": 2, "interval": True}),
        "input": {"kind": "wiener-channels", "n_angles": 3, "n_phases": [3, 5]},
        "frames": {"total": 15, "selection": list(range(15))},
        "outputs": ["wiener", "object"],
        "interval": {"level": 0.9},
    },
    "seed-whole": {
        "architecture": ("unet-sim4", {"width": 2}),
        "input": {"kind": "raw-frames", "selection": "sim4-mean", "light": "normal", "enlargement": 2},
        "frames": {"total": 15, "selection": [0, 5, 10], "summary": "mean"},
        "normalisation": SEED,
        "batchnorm": "per-image",
    },
    "seed-snr": {
        "architecture": ("unet-snr", {"width": 2}),
        "input": {"kind": "raw-frames", "selection": "sim15", "light": "low", "enlargement": 2},
        "frames": {"total": 15, "selection": list(range(15))},
        "normalisation": {"kind": "robust", "truth_gain": 1.5},
        "batchnorm": "running",
    },
    "srrf": {
        "architecture": ("native", {"in_channels": 32, "width": 4, "scale": 5, "residual_channels": 0}),
        "input": {"kind": "srrf-channels", "n_frames": 5, "magnification": 5},
        "frames": {"total": 5, "selection": list(range(5)), "order": "any"},
    },
}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Small models of every kind of input, with random weights, as a user's training would leave them."""
    folder = tmp_path_factory.mktemp("models")
    for number, (name, fields) in enumerate(OWN.items()):
        architecture, options = fields["architecture"]
        torch.manual_seed(number)
        network = create_network(architecture, **options)
        with torch.no_grad():  # heads that start at nothing would make every size look right
            for tensor in network.parameters():
                tensor.add_(0.05 * torch.randn_like(tensor))
        card = {
            "name": name,
            "in_channels": network.in_channels,
            "scale": network.scale,
            "side_multiple": network.side_multiple,
            "licence": "MIT",
            **fields,
            "architecture": {"name": architecture, "options": options},
        }
        save_bundle(folder / name, network, card)
    return folder


@pytest.fixture(scope="module")
def packages(own, tmp_path_factory):
    """Packages of those models, untested."""
    folder = tmp_path_factory.mktemp("packages")
    for name in OWN:
        words = ["export-bmz", str(own / name), "-o", str(folder / f"{name}.zip"), "--no-test", "-q"]
        assert run([*words, "--author", "A. User"]) == 0
    return folder


def unpack(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def described(path):
    return yaml.safe_load(unpack(path)["rdf.yaml"])


def channel_names(tensor):
    return next(axis["channel_names"] for axis in tensor["axes"] if axis["type"] == "channel")


def test_a_package_tells_names_sizes_and_origin(packages):
    files = unpack(packages / "wiener.zip")
    assert list(files) == [*NATIVE, "torchscript.pt"]
    about = yaml.safe_load(files["rdf.yaml"])
    assert about["cite"][0]["doi"] == "10.1038/s41467-020-15784-x"
    assert (about["authors"], about["license"]) == ([{"name": "A. User"}], "MIT")
    given, made = about["inputs"][0], about["outputs"][0]
    assert channel_names(given)[:2] == ["wiener_sharp_y0x0", "wiener_sharp_y0x1"]
    assert channel_names(given)[-3:] == ["mean_a0", "mean_a1", "mean_a2"]
    assert channel_names(made) == ["wiener", "object", "wiener_half_width", "object_half_width"]
    assert given["axes"][2]["size"] == {"min": 120, "step": 8}
    assert (made["axes"][2]["scale"], made["axes"][2]["halo"]) == (0.5, 112)
    frames = about["config"]["dlsim_ij"]["frames_of_the_stack"]  # of the first of two layouts
    assert frames == [f"a{angle}p{phase}" for angle in range(3) for phase in range(3)]
    readme = files["README.md"].decode()
    assert "## Validation" in readme
    assert "No scores were measured" in readme
    assert all(f"`{name}`" in readme for name in (*channel_names(given), *channel_names(made)))
    assert Image.open(io.BytesIO(files["cover.png"])).size == (768, 384)
    assert len(files["cover.png"]) < 500_000


def test_raw_frames_keep_their_order_and_constants(packages):
    about = described(packages / "seed-whole.zip")
    assert channel_names(about["inputs"][0]) == ["a0p0", "a1p0", "a2p0", "mean_of_frames"]
    assert about["inputs"][0]["preprocessing"][0]["kwargs"]["gain"] == 1 / 5315
    assert [step["id"] for step in about["outputs"][0]["postprocessing"]] == ["scale_linear", "clip"]
    assert "halo" not in about["outputs"][0]["axes"][2]  # each image is normalised as a whole
    assert list(about["weights"]) == ["torchscript"]  # the source of that network needs dlsim_ij
    assert np.load(io.BytesIO(unpack(packages / "seed-whole.zip")["test_input.npy"])).max() > 100  # counts
    about = described(packages / "seed-snr.zip")
    stack = [f"a{angle}p{phase}" for angle in range(3) for phase in range(5)]
    assert channel_names(about["inputs"][0]) == channel_names(about["outputs"][0]) == stack
    assert about["outputs"][0]["axes"][2]["halo"] == 112


def test_frames_of_a_blinking_sample_have_no_phases(packages):
    about = described(packages / "srrf.zip")
    names = channel_names(about["inputs"][0])
    assert (names[0], names[6], names[25], names[-1]) == ("srrf_y0x0", "srrf_y1x1", "frame0", "sd")
    assert channel_names(about["outputs"][0]) == ["srrf"]
    assert about["outputs"][0]["axes"][2]["scale"] == 0.2
    assert about["config"]["dlsim_ij"]["frames_of_the_stack"] == [f"frame{n}" for n in range(5)]
    assert {cited["doi"] for cited in about["cite"]} == {"10.1038/s41467-020-15784-x", "10.1038/ncomms12471"}


@pytest.mark.filterwarnings("ignore:.*torch.jit")  # which deepImageJ reads, whatever torch recommends
@pytest.mark.parametrize("name", OWN)
def test_the_script_is_the_network_at_any_size(own, packages, name):
    script = torch.jit.load(io.BytesIO(unpack(packages / f"{name}.zip")["torchscript.pt"]))
    network = load_bundle(own / name).create()
    step = network.side_multiple
    for batch, height, width in ((1, 4 * step, 4 * step), (2, 5 * step, 9 * step), (1, 20 * step, 4 * step)):
        channels = torch.rand(batch, network.in_channels, height, width)
        with torch.inference_mode():
            assert torch.equal(script(channels), network(channels))
    assert {tensor.dtype for tensor in script.state_dict().values()} <= {torch.float32, torch.int64}


def test_the_state_dict_needs_no_trust_and_its_source_no_dlsim(own, packages):
    files = unpack(packages / "wiener.zip")
    state = torch.load(io.BytesIO(files["weights.pt"]), weights_only=True)
    source = files["network.py"].decode()
    assert "dlsim_ij" not in source
    namespace = {"__name__": "network"}
    exec(compile(source, "network.py", "exec"), namespace)
    entry = described(packages / "wiener.zip")["weights"]["pytorch_state_dict"]["architecture"]
    network = namespace[entry["callable"]](**entry["kwargs"])
    network.load_state_dict(state)
    channels = torch.rand(1, 11, 64, 64)
    assert torch.equal(network(channels), load_bundle(own / "wiener").create()(channels))


def test_the_same_model_gives_the_same_bytes_without_paths_of_this_machine(own, packages, tmp_path):
    package_module.export_package(own / "wiener", tmp_path / "again.zip", authors=["A. User"], test=False)
    assert (tmp_path / "again.zip").read_bytes() == (packages / "wiener.zip").read_bytes()
    script = zipfile.ZipFile(io.BytesIO(unpack(tmp_path / "again.zip")["torchscript.pt"]))
    code = b"".join(script.read(name) for name in script.namelist() if "/data/" not in name)
    assert str(Path(package_module.__file__).parents[2]).encode() not in code
    assert str(Path(torch.__file__).parent).encode() not in code


@needs_bioimageio
@pytest.mark.parametrize("name", OWN)
def test_own_models_pass_bioimageios_test(packages, name):
    passed = check_package(packages / f"{name}.zip")
    assert passed.status == "passed"
    assert max(passed.largest_difference.values()) < passed.tolerance


@needs_bioimageio
@pytest.mark.filterwarnings("ignore")  # of the libraries that run it
@pytest.mark.parametrize("name", shipped_names())
def test_shipped_models_pass_and_give_our_pixels_of_a_stack(tmp_path, name, capfd):
    """The whole way that the README tells: frames to channels, bioimageio.core, and back to counts."""
    import bioimageio.core as core
    from bioimageio.core.digest_spec import create_sample_for_model

    assert run(["export-bmz", name, "-o", str(tmp_path / "shipped.zip"), "--json"]) == 0
    captured = capfd.readouterr()
    row = json.loads(captured.out)
    assert row["test"]["status"] == "passed"
    assert set(row["test"]["largest_difference"]) == {"pytorch_state_dict", "torchscript"}
    assert max(row["test"]["largest_difference"].values()) < row["test"]["tolerance"]
    assert (row["warnings"], captured.err) == ([], "")
    readme = unpack(tmp_path / "shipped.zip")["README.md"].decode()
    assert "### While training" in readme

    model = load_model(name)
    frames = read_image(DEMO).values[:, :128, :160]
    patterns = None
    if model.card.input["kind"] == "srrf-channels":
        frames = frames[:5]
    else:
        patterns = predict(load_model("sim15"), frames).patterns
    ours = predict(model, frames, patterns=patterns)
    made = make_input(model.card, frames, patterns=patterns, optics=None, resize=bicubic_enlarge)
    descr = core.load_model_description(tmp_path / "shipped.zip")
    channels = create_sample_for_model(descr, inputs={"channels": made.channels[None]})
    with core.create_prediction_pipeline(descr) as ready:
        answer = ready.predict_sample_without_blocking(
            channels, skip_input_padding=True, skip_output_cropping=True
        )
    image = answer.members["images"].data.to_numpy()[0]
    scale = made.counts.scale
    np.testing.assert_allclose(image[0] * scale, ours.image, rtol=0, atol=1e-4 * ours.image.max())
    # by itself it pads the field by the halo, so only what lies that far from the border is the same
    padded = core.predict(model=descr, inputs={"channels": made.channels[None]})
    halo = model.card.scale * model.network.receptive_radius_px
    inner = np.s_[halo:-halo, halo:-halo]
    np.testing.assert_allclose(
        padded.members["images"].data.to_numpy()[0, 0][inner], image[0][inner], rtol=0, atol=1e-5
    )
    if ours.uncertainty is not None:
        names = channel_names(described(tmp_path / "shipped.zip")["outputs"][0])
        sd = image[names.index("wiener_half_width")] * scale / 1.645
        np.testing.assert_allclose(sd, ours.uncertainty, rtol=0, atol=1e-4 * ours.uncertainty.max())


@needs_bioimageio
def test_a_package_that_fails_is_not_put_in_place(own, packages, tmp_path, capfd, monkeypatch):
    script = unpack(packages / "wiener.zip")["torchscript.pt"]
    monkeypatch.setattr(package_module, "trace_weights", lambda job: script)  # the weights are the same
    card = json.loads((own / "wiener" / "model.json").read_text())
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.json").write_text(json.dumps({**card, "licence": "No-Such-Licence"}))
    (broken / "weights.safetensors").write_bytes((own / "wiener" / "weights.safetensors").read_bytes())
    assert run(["export-bmz", str(broken), "-o", str(tmp_path / "broken.zip"), "-q"]) == 2
    error = capfd.readouterr().err
    assert "does not pass bioimageio's test" in error
    assert "license" in error
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


def test_the_readme_shows_what_the_card_holds():
    from dlsim_ij.zoo_job.readme import _validation

    shown = "\n".join(
        _validation(
            {
                "validation": {"step": 9, "psnr_db": 31.25, "groups": {"actin": {"psnr_db": 30.125}}},
                "table": {"test": {"all": {"n": 4, "psnr_db": {"n": 4, "mean": 29.5, "sd": 1.0}}}},
                "test_sets": [{"structure": "actin", "psnr_db": 28.0}],
                "remark": "not a table",
            }
        )
    )
    assert "step 9, psnr db 31.25." in shown
    assert "| actin | 30.12 |" in shown
    assert "### After training, test (means)" in shown
    assert "| all | 4 | 29.5 |" in shown
    assert "| actin | 28 |" in shown


@pytest.mark.parametrize("kind", ["wiener-channels", "three-frames"])
def test_names_are_as_many_as_a_kind_of_input_has(kind):
    from dlsim_ij.zoo_job.channels import input_channels

    card = load_bundle("sim3").card.model_copy(
        update={"input": {"kind": kind, "n_angles": 3}, "in_channels": input_kind(kind).channels}
    )
    names = [channel.name for channel in input_channels(card)]
    assert len(set(names)) == input_kind(kind).channels


def test_nothing_is_replaced_and_wrong_use_is_said(own, packages, tmp_path, capfd, monkeypatch):
    before = (packages / "wiener.zip").read_bytes()
    for words, message in (
        ([str(own / "wiener"), "-o", str(packages / "wiener.zip")], "--overwrite"),
        ([str(own / "wiener"), "-o", str(tmp_path / "model.tif")], "FILE.zip"),
        (["sim16", "-o", str(tmp_path / "a.zip")], "did you mean 'sim15'?"),
    ):
        assert run(["export-bmz", *words, "--no-test"]) == 2
        assert message in capfd.readouterr().err
    assert (packages / "wiener.zip").read_bytes() == before

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(["export-bmz", "sim15", "-o", str(tmp_path / "a.zip")]) == 2
    assert "pip install 'dlsim-ij[bmz]'" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_the_card_lacks_is_said(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(package_module, "trace_weights", lambda job: b"not looked at here")
    network = create_network("native", in_channels=11, width=2)
    card = {
        "name": "mine", "architecture": {"name": "native", "options": {"in_channels": 11, "width": 2}},
        "in_channels": 11, "scale": 2, "side_multiple": 8,
    }  # fmt: skip
    save_bundle(tmp_path / "mine", network, card)
    words = ["export-bmz", str(tmp_path / "mine"), "-o", str(tmp_path / "mine.zip"), "--no-test"]
    assert run(words) == 2
    assert "does not tell how its input is made" in capfd.readouterr().err
    told = {
        "frames": {"total": 15, "selection": list(range(15))},
        "input": {"kind": "wiener-channels", "n_angles": 3},
    }
    save_bundle(tmp_path / "mine", network, {**card, **told}, overwrite=True)
    assert run([*words, "--json"]) == 0
    captured = capfd.readouterr()
    row = json.loads(captured.out)
    assert row["test"] is None
    assert len(row["warnings"]) == len(captured.err.splitlines()) == 2
    assert "authors" not in described(tmp_path / "mine.zip")
