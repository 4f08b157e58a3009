"""``dlsim recon``: raw stacks in, calibrated images and their parameters out; refusals leave nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dlsim_ij.cli.main import run
from dlsim_ij.images import bicubic_enlarge, read_image, write_image
from dlsim_ij.optics import Optics
from dlsim_ij.quality import fair_scores
from dlsim_ij.reconstruction import FILTERS, STANDARD, equalise_frames, estimate_offset, wiener_sim
from dlsim_ij.reconstruction.wiener_parameters import parameters_from_dict
from dlsim_ij.simulation import Conditions, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_patterns


def simulate(photons=300.0, seed=0, phases=(0.4, 1.4, 2.4), optics=None, side=96):
    rng = np.random.default_rng(seed)
    density = draw_structure("actin", (2 * side, 2 * side), 0.03, rng)
    conditions = Conditions(
        patterns=paper_patterns(phases_rad=phases), photons=photons, intensity=(1.0,) * 15,
        optics=optics or Optics(),
    )  # fmt: skip
    return simulate_sim(density, conditions, rng)


@pytest.fixture(scope="module")
def stack():
    return simulate()


@pytest.fixture
def raw(stack, tmp_path):
    return write_image(tmp_path / "cell.tif", stack.raw, pixel_size_um=0.06)


def rows_of(words, capfd, code=0):
    assert run(["recon", *map(str, words), "--json"]) == code
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def refused(words, capfd, said):
    assert run(["recon", *map(str, words)]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 2, lines
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert lines[1].startswith("hint: ")


def test_a_stack_becomes_an_image_with_half_the_pixel_and_its_parameters(stack, raw, tmp_path, capfd):
    (row,) = rows_of([raw, "-o", tmp_path / "out", "--widefield"], capfd)
    image = read_image(row["output"])
    assert image.dims == ("Y", "X")
    assert image.attrs["pixel_size_um"] == pytest.approx(0.03)
    wide = read_image(row["widefield"])
    np.testing.assert_allclose(wide, bicubic_enlarge(stack.raw.mean(axis=0).astype(np.float32), 2), rtol=1e-5)
    inner = np.s_[24:-24, 24:-24]
    better = fair_scores(stack.object[inner], image.values[inner]).psnr_db
    assert better > fair_scores(stack.object[inner], wide.values[inner]).psnr_db + 3
    kept = json.loads((tmp_path / "out" / "cell_wiener.json").read_text())
    assert {k: kept[k] for k in row["parameters"]} == row["parameters"]
    (one,) = kept["stacks"]
    assert one["patterns"][0]["angle_deg"] == pytest.approx(13.9, abs=0.3)
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    patterns = parameters_from_dict(kept, n_phases=5).patterns
    expected = wiener_sim(signal, patterns, Optics(), filter=STANDARD)
    np.testing.assert_allclose(image, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "cell_wf.tif", "cell_wiener.json", "cell_wiener.tif",
    ]  # fmt: skip
    assert row["warnings"] == []


def test_options_reach_the_filter(raw, stack, tmp_path, capfd):
    words = (
        "--filter vendor --wiener 0.2 --apodisation-cutoff 1.2 --apodisation-bend 0.8 --notch-strength 0.9"
    )
    words += " --notch-width 0.1 --otf-damping 0.3 --order-weights 0.5,0.4 --ome"
    (row,) = rows_of([raw, "-o", tmp_path, *words.split()], capfd)
    assert row["output"].endswith("cell_wiener.ome.tif")
    assert row["parameters"]["filter"] == {
        "preset": "vendor", "wiener": 0.2, "otf_damping": 0.3, "order_weights": [0.5, 0.4],
        "notch_strength": 0.9, "notch_width": 0.1, "apodisation_end": 1.2, "apodisation_bend": 0.8,
    }  # fmt: skip
    assert read_image(row["output"]).attrs["pixel_size_um"] == pytest.approx(0.03)
    assert set(FILTERS) == {"standard", "vendor", "soft"}


def test_parameters_are_used_again(raw, tmp_path, capfd):
    (first,) = rows_of([raw, "-o", tmp_path / "a", "--save-parameters", tmp_path / "kept.json"], capfd)
    assert (tmp_path / "kept.json").read_text() == (tmp_path / "a" / "cell_wiener.json").read_text()
    patterns = first["parameters"]["stacks"][0]["patterns"]
    other = write_image(tmp_path / "other.tif", simulate(seed=5, phases=(1, 2, 3)).raw, pixel_size_um=0.06)
    again = ["--parameters", tmp_path / "kept.json"]
    (second,) = rows_of([other, "-o", tmp_path / "b", *again], capfd)
    for one, known in zip(second["parameters"]["stacks"][0]["patterns"], patterns, strict=True):
        assert one["frequency_px"] == known["frequency_px"]
        assert one["phases_rad"] != known["phases_rad"]
    (third,) = rows_of([other, "-o", tmp_path / "c", *again, "--phases", "fixed"], capfd)
    for one, known in zip(third["parameters"]["stacks"][0]["patterns"], patterns, strict=True):
        assert one["phases_rad"] == known["phases_rad"]
    refused([other, "-o", tmp_path / "d", *again, "--pixel-size", "0.065"], capfd, "pixels of 60 nm")
    refused([other, "-o", tmp_path / "d", "--phases", "fixed"], capfd, "fixed only by a calibration")
    refused([other, "-o", tmp_path / "d", "--parameters", raw], capfd, "not")
    refused([other, "-o", tmp_path / "d", "--parameters", "none.json"], capfd, "cannot read none.json")
    assert not (tmp_path / "d").exists()


def test_phases_are_measured_when_asked_for(raw, tmp_path, capfd):
    (row,) = rows_of([raw, "-o", tmp_path, "--phases", "estimated"], capfd)
    errors = [p["step_errors_deg"] for p in row["parameters"]["stacks"][0]["patterns"]]
    assert 0 < np.abs(errors).max() < 8


@pytest.mark.parametrize("estimate", ["each", "first", "mean"])
def test_a_series_in_time_and_channels(estimate, tmp_path, capfd):
    red = Optics(emission_nm=610.0)
    frames = [
        [simulate(seed=10 * t, phases=(0.4 + t, 1.4, 2.4)).raw, simulate(seed=1 + t, optics=red).raw]
        for t in range(2)
    ]
    series = xr.DataArray(np.array(frames), dims=("T", "C", "I", "Y", "X"))
    pixels = series.transpose("T", "I", "C", "Y", "X").rename(I="Z")
    path = write_image(tmp_path / "series.tif", pixels, pixel_size_um=0.06)
    words = [path, "-o", tmp_path, "--estimate", estimate, "--channel-emission-nm", "525,610"]
    (row,) = rows_of(words, capfd)
    image = read_image(row["output"])
    assert dict(image.sizes) == {"T": 2, "C": 2, "Y": 192, "X": 192}
    stacks = row["parameters"]["stacks"]
    assert [s["position"] for s in stacks] == [{"T": t, "C": c} for t in range(2) for c in range(2)]
    assert [s["optics"]["emission_nm"] for s in stacks] == [525, 610, 525, 610]
    same = stacks[0]["patterns"][0]["frequency_px"] == stacks[2]["patterns"][0]["frequency_px"]
    assert same == (estimate != "each")
    moved = [stacks[n]["patterns"][0]["phases_rad"][0] for n in (0, 2)]
    assert np.angle(np.exp(1j * (moved[1] - moved[0]))) == pytest.approx(1, abs=0.25)
    inner = np.s_[24:-24, 24:-24]
    truth = simulate(seed=10, phases=(1.4, 1.4, 2.4)).object
    assert fair_scores(truth[inner], image.values[1, 0][inner]).psnr_db > 20
    if estimate == "each":
        words = [path, "-o", tmp_path / "no", "--channel-emission-nm", "525"]
        refused(words, capfd, "1 emissions for 2 channels")


def test_enlarged_frames_are_made_native_first(stack, tmp_path, capfd):
    enlarged = np.stack([bicubic_enlarge(frame, 2) for frame in stack.raw])
    path = write_image(tmp_path / "big.tif", enlarged, pixel_size_um=0.03)
    (row,) = rows_of([path, "-o", tmp_path], capfd)
    image = read_image(row["output"])
    assert image.shape == enlarged.shape[1:]
    assert image.attrs["pixel_size_um"] == pytest.approx(0.03)
    assert row["parameters"]["enlargement"]["scale"] == 2
    assert "enlarged 2 times" in row["warnings"][0]


def test_a_wrong_order_is_refused_and_leaves_nothing(stack, tmp_path, capfd):
    wrong = stack.raw.reshape(3, 5, 96, 96).swapaxes(0, 1).reshape(15, 96, 96)
    path = write_image(tmp_path / "wrong.tif", wrong, pixel_size_um=0.06)
    refused([path, "-o", tmp_path / "out"], capfd, "order")
    assert not (tmp_path / "out").exists()
    (row,) = rows_of([path, "-o", tmp_path / "out", "--force"], capfd)
    assert not row["parameters"]["stacks"][0]["fit"]
    assert row["warnings"]


def test_folders_and_failures(raw, stack, tmp_path, capfd):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    write_image(folder / "deep" / "good.tif", stack.raw)
    write_image(folder / "bad.tif", stack.raw[:7])
    rows = rows_of([folder, "-o", tmp_path / "out"], capfd, code=1)
    assert [Path(row["output"]).relative_to(tmp_path / "out").as_posix() for row in rows] == [
        "deep/good_wiener.tif"
    ]
    assert "pixel size" in rows[0]["warnings"][0]
    assert read_image(rows[0]["output"]).attrs["pixel_size_um"] is None


def test_nothing_is_overwritten_and_a_dry_run_writes_nothing(raw, tmp_path, capfd):
    (row,) = rows_of([raw, "-o", tmp_path / "out", "--dry-run"], capfd)
    assert row["dry_run"]
    assert not (tmp_path / "out").exists()
    rows_of([raw, "-o", tmp_path / "out"], capfd)
    refused([raw, "-o", tmp_path / "out"], capfd, "exists already")
    rows_of([raw, "-o", tmp_path / "out", "--overwrite"], capfd)


def test_wrong_words_are_refused(raw, tmp_path, capfd):
    refused([raw, "-o", tmp_path, "--order-weights", "a,b"], capfd, "no list of numbers")
    refused([raw, "-o", tmp_path, "--order-weights", "0.5"], capfd, "1 order weights for 2 orders")
    refused([raw, "-o", tmp_path, "--wiener", "0"], capfd, "Wiener parameter of 0")
    refused([raw, raw, "-o", tmp_path, "--save-parameters", "x.json"], capfd, "")
