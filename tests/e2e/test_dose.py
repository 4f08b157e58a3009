"""``dlsim dose``: one bright stack, thinned and scored; the function behind it; refusals leave nothing."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dlsim_ij as dlsim
from dlsim_ij.acquisition import CountsCamera
from dlsim_ij.bundles import save_bundle
from dlsim_ij.cli.main import run
from dlsim_ij.dose import models_for
from dlsim_ij.errors import ConfigError, ImageError, LayoutError, ModelError
from dlsim_ij.images import bicubic_enlarge, write_image
from dlsim_ij.networks import create_network
from dlsim_ij.reconstruction.channels import CHANNELS_OF_THREE_FRAMES
from dlsim_ij.simulation import Camera, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_conditions

DEMO = Path(__file__).parents[2] / "examples" / "demo_raw.tif"
TRUTH = DEMO.with_name("demo_truth.tif")


def simulate(photons, seed=5, side=128):
    """The same cell and pattern at any light."""
    rng = np.random.default_rng(seed)
    density = draw_structure("microtubules", (2 * side, 2 * side), 0.03, rng)
    own = Camera(row_column_electrons=0.0)
    conditions = paper_conditions(np.random.default_rng(1), photons=(photons, photons))
    conditions = dataclasses.replace(conditions, camera=own)
    return simulate_sim(density, conditions, np.random.default_rng([seed, int(photons)]))


@pytest.fixture(scope="module")
def bright():
    return simulate(300.0)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One call of the command with everything in it."""
    folder = tmp_path_factory.mktemp("dose")
    words = [
        "dose",
        str(DEMO),
        "-o",
        str(folder),
        "--levels",
        "1/2,0.1",
        "--draws",
        "2",
        "--truth",
        str(TRUTH),
    ]
    assert run([*words, "-q"]) == 0
    return folder


def test_outputs_are_whole(done):
    assert sorted(path.name for path in done.iterdir()) == [
        "demo_raw_dose.csv", "demo_raw_dose.json", "demo_raw_dose.png", "demo_raw_dose.svg",
        "demo_raw_dose_images.png",
    ]  # fmt: skip
    with (done / "demo_raw_dose.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    methods = ["wiener", "wiener-soft", *models_for(3, 5)]
    assert "sim15" in methods
    assert len(rows) == len(methods) * (1 + 2 * 2)
    assert {(row["fraction"], row["draw"]) for row in rows} == {
        ("1.0", "0"), ("0.5", "0"), ("0.5", "1"), ("0.1", "0"), ("0.1", "1"),
    }  # fmt: skip
    for row in rows:
        assert float(row["photons_per_pixel"]) == pytest.approx(8.29 * float(row["fraction"]), rel=0.01)
        assert 15 < float(row["psnr_db"]) <= float(row["registered_psnr_db"]) < 30
        assert (row["rsp"] != "") == (row["draw"] == "0")
    record = json.loads((done / "demo_raw_dose.json").read_text())
    assert record["reference"] == "truth"
    at = {(level["fraction"], level["method"]): level for level in record["levels"]}
    assert at[0.1, "sim15"]["psnr_db_mean"] > at[0.1, "wiener"]["psnr_db_mean"] + 1
    assert at[0.5, "wiener"]["psnr_db_mean"] > at[0.1, "wiener"]["psnr_db_mean"] + 1
    own = [float(row["psnr_db"]) for row in rows if (row["fraction"], row["method"]) == ("0.1", "wiener")]
    assert at[0.1, "wiener"]["psnr_db_mean"] == pytest.approx(np.mean(own))
    assert "sim15 (15 frames)" in (done / "demo_raw_dose.svg").read_text()


def test_text_json_and_seed(tmp_path, capsys, monkeypatch):
    words = ["dose", str(DEMO), "--models", "none", "--levels", "1/4", "--draws", "1", "--no-pictures"]
    outputs = []
    for name, seed in (("one", "3"), ("same", "3"), ("other", "4")):
        assert run([*words, "-o", str(tmp_path / name), "--seed", seed, "--json"]) == 0
        captured = capsys.readouterr()
        outputs.append(json.loads(captured.out))
        assert "photo-electrons only" in captured.err  # a demo of 8 photons is a noisy reference
    one, same, other = (row["levels"] for row in outputs)
    assert one == same
    assert one != other
    assert set(outputs[0]["methods"]) == {"wiener", "wiener-soft"}
    assert "images" not in outputs[0]["outputs"]
    assert one[0]["psnr_db_mean"] is None  # the reference against itself
    monkeypatch.setattr(
        "dlsim_ij.report.dose_figure.need_text", lambda found, light, target: "0.41 photons (1/735) or less"
    )
    assert run([*words, "-o", str(tmp_path / "columns")]) == 0
    *_, head, first, second, _ = capsys.readouterr().out.splitlines()
    assert first.rindex("0.41") == second.rindex("0.41") == head.rindex("for ")
    monkeypatch.undo()
    assert run([*words, "-o", str(tmp_path / "text")]) == 0
    out = capsys.readouterr().out
    assert "8.29 photo-electrons per pixel" in out
    assert "is the reference" in out
    assert run([*words, "-o", str(tmp_path / "text"), "--dry-run"]) == 0
    assert "text/demo_raw_dose.csv" in capsys.readouterr().out


def test_thinned_is_what_a_dim_acquisition_gives(bright):
    """The proof of the method: the same cell, once thinned to 1/30 and once taken with 1/30 of the light."""
    dim = simulate(10.0)
    truth = bright.object
    thinned = dlsim.dose_curve(
        bright.raw, models=[], fractions=[1 / 30], draws=2, truth=truth, pixel_size_um=0.06
    )
    taken = dlsim.dose_curve(dim.raw, models=[], fractions=[1 / 2], draws=1, truth=truth, pixel_size_um=0.06)
    assert thinned.photons_per_pixel / 30 == pytest.approx(taken.photons_per_pixel, rel=0.05)
    for method in ("wiener", "wiener-soft"):
        full, from_bright = (mean for _, mean, _ in thinned.summary.curve(method))
        from_dim = taken.summary.curve(method)[0][1]
        assert from_bright == pytest.approx(from_dim, abs=0.25)
        assert full > from_dim + 0.3


def test_enlarged_frames_and_a_series(bright, tmp_path):
    """Frames that were enlarged are thinned on the camera's pixels, scored on the grid as given."""
    enlarged = np.rint(np.clip([bicubic_enlarge(f, 2) for f in bright.raw], 0, 65535)).astype(np.uint16)
    found = dlsim.dose_curve(enlarged, models=[], fractions=[0.1], draws=1, pixel_size_um=0.03)
    plain = dlsim.dose_curve(bright.raw, models=[], fractions=[0.1], draws=1, pixel_size_um=0.06)
    assert found.photons_per_pixel == pytest.approx(plain.photons_per_pixel, rel=0.05)
    assert found.reference_image.shape == enlarged.shape[1:]
    level, other = (c.summary.curve("wiener")[0][1] for c in (found, plain))
    assert level == pytest.approx(other, abs=1.0)
    series = xr.DataArray(
        np.stack([bright.raw, bright.raw]), dims=("T", "I", "Y", "X"), attrs={"pixel_size_um": 0.06}
    )
    several = dlsim.dose_curve(series, models=[], fractions=[0.1], draws=1)
    assert several.summary.levels == plain.summary.levels
    assert "2 stacks" in several.warnings[0][0]


def test_a_fit_of_each_stack_is_worse_in_the_dark(bright):
    once, each = (
        dlsim.dose_curve(
            bright.raw, models=[], fractions=[1 / 300], draws=1, fit_each=fit_each, pixel_size_um=0.06
        )
        for fit_each in (False, True)
    )
    assert (once.patterns_fitted, each.patterns_fitted) == ("once", "each")
    snr = [level["pattern_snr"] for level in each.summary.levels if level["method"] == "wiener"]
    assert snr[0] > 5 * snr[1]
    assert once.summary.levels[0]["pattern_snr"] is None
    assert once.summary.curve("wiener-soft")[-1][1] > each.summary.curve("wiener-soft")[-1][1]


def three_frames(folder):
    """A network with fresh weights that sees one frame of each angle, as `sim3` does."""
    network = create_network("native", in_channels=CHANNELS_OF_THREE_FRAMES, width=4)
    card = {
        "name": "three", "in_channels": CHANNELS_OF_THREE_FRAMES, "scale": 2, "side_multiple": 8,
        "architecture": {"name": "native", "options": {"in_channels": CHANNELS_OF_THREE_FRAMES, "width": 4}},
        "frames": {"total": 15, "selection": list(range(15))},
        "input": {"kind": "three-frames", "n_angles": 3, "n_phases": [5, 3]},
        "normalisation": {"kind": "robust"}, "pixel_size_um": 0.06,
    }  # fmt: skip
    return save_bundle(folder, network, card)


def test_a_network_of_three_frames_takes_a_fifth_of_the_light(bright, tmp_path):
    bundle = three_frames(tmp_path / "three")
    assert bundle.card.takes(3, 5)
    assert bundle.card.takes(3, 3)
    assert not bundle.card.takes(5, 3)
    found = dlsim.dose_curve(
        bright.raw, models=[str(bundle.folder)], fractions=[0.1], draws=1, pixel_size_um=0.06
    )
    assert found.methods == {"wiener": 15, "wiener-soft": 15, "three": 3}
    used = {row.method: row.photons_all_frames_per_pixel for row in found.rows if row.fraction == 0.1}
    assert used["three"] == pytest.approx(used["wiener"] / 5)


def test_a_given_camera_is_used(bright):
    known = CountsCamera(
        gain_adu_per_electron=2 * 6.85, offset_adu=100.0, read_noise_electrons=0.7, source="given"
    )
    found = dlsim.dose_curve(
        bright.raw, models=[], fractions=[0.1], draws=1, camera=known, pixel_size_um=0.06
    )
    assert found.photons_per_pixel == pytest.approx(150, rel=0.1)  # half as many at twice the gain


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"fractions": []}, ConfigError, "no level"),
        ({"fractions": [1.5]}, ConfigError, "fraction"),
        ({"draws": 0}, ConfigError, "draws"),
        ({"truth": np.ones((4, 4))}, ImageError, "4 x 4"),
        ({"models": ["sim51"]}, ModelError, "sim51"),
        ({"models": ["sim15", "sim15"]}, ModelError, "two methods"),
    ],
)
def test_settings_are_checked(bright, options, error, words):
    with pytest.raises(error, match=words):
        dlsim.dose_curve(bright.raw, **{"models": [], "pixel_size_um": 0.06, **options})


def test_stacks_that_are_too_dim_or_unfit_are_refused(bright, tmp_path, capsys):
    with pytest.raises(ImageError, match=r"has 2\.\d photo-electrons"):
        dlsim.dose_curve(simulate(2.0).raw, models=[], pixel_size_um=0.06)
    by_phase = bright.raw.reshape(3, 5, 128, 128).swapaxes(0, 1).reshape(15, 128, 128)
    with pytest.raises(LayoutError):
        dlsim.dose_curve(by_phase, models=[], pixel_size_um=0.06)
    path = write_image(tmp_path / "by_phase.tif", by_phase, pixel_size_um=0.06)
    assert run(["dose", str(path), "-o", str(tmp_path / "out"), "--models", "none"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--force" in captured.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--levels 1/0", "1/0"),
        ("--levels 2", "fraction"),
        ("--gain 2", "belong together"),
        ("--models sim51", "sim51"),
        ("--truth missing.tif", "missing.tif"),
    ],
)
def test_wrong_options_are_refused(words, said, tmp_path, capsys):
    assert run(["dose", str(DEMO), "-o", str(tmp_path / "out"), *words.split()]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten_unasked(tmp_path, capsys):
    (tmp_path / "demo_raw_dose.svg").write_text("mine")
    words = ["dose", str(DEMO), "-o", str(tmp_path), "--models", "none", "--levels", "1/2", "--draws", "1"]
    assert run(words) == 2
    assert "demo_raw_dose.svg exists" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["demo_raw_dose.svg"]
    assert run([*words, "--overwrite", "-q"]) == 0
    assert "<svg" in (tmp_path / "demo_raw_dose.svg").read_text()
