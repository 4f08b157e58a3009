"""The main job through the real command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

import dlsim_ij as dlsim
from dlsim_ij.cli.main import run
from dlsim_ij.errors import LayoutError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.quality import fair_scores

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def raw():
    return dlsim.read_image(EXAMPLES / "demo_raw.tif")


@pytest.fixture(scope="module")
def truth():
    return dlsim.read_image(EXAMPLES / "demo_truth.tif").values


@pytest.fixture(scope="module")
def done(raw):
    return dlsim.reconstruct(raw)


def test_run_writes_images_numbers_and_the_report(tmp_path, capfd):
    out = tmp_path / "out"
    words = ["run", str(EXAMPLES / "demo_raw.tif"), "-o", str(out), "--engine", "none", "--json"]
    assert run([*words, "--truth", str(EXAMPLES / "demo_truth.tif")]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    result = json.loads(line)
    assert {"input", "model", "outputs", "metrics", "warnings"} <= set(result)
    assert {"sr", "widefield", "wiener", "report"} <= set(result["outputs"])
    names = {path.name for path in out.iterdir()}
    images = {f"demo_raw_{role}.tif" for role in ("sr", "sd", "wf", "wiener", "error", "resid")}
    assert names == images | {
        "demo_raw_run.json", "demo_raw_curves.json", "report.html", "metrics.csv", "metrics.json",
        "params.json",
    }  # fmt: skip
    for name in images:
        image = dlsim.read_image(out / name)
        assert image.shape == (384, 384)
        assert image.dtype == np.float32
        assert image.attrs["pixel_size_um"] == pytest.approx(0.03)
    assert {"error", "curves"} <= set(result["outputs"])
    metrics = result["metrics"]
    assert metrics["psnr_db"] > 25
    assert metrics["resolution_nm"] < 0.85 * metrics["widefield"]["resolution_nm"]
    assert metrics["rsp"] == pytest.approx(metrics["wiener"]["rsp"], abs=0.03)
    error = dlsim.read_image(out / "demo_raw_error.tif").values.astype(np.float64)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(metrics["rse"], rel=1e-4)
    with tifffile.TiffFile(out / "demo_raw_error.tif") as tiff:
        colours = np.reshape(tiff.pages[0].tags["ColorMap"].value, (3, 256)) // 257
    assert tuple(colours[:, 0]) == (0, 0, 3)  # almost black for no error
    assert tuple(colours[:, -1]) == (252, 254, 164)  # pale yellow
    residual = dlsim.read_image(out / "demo_raw_resid.tif")
    assert np.abs(residual.values).max() == pytest.approx(metrics["residual"], rel=1e-5)
    assert residual.attrs["display_range"] == pytest.approx(
        (-2 * metrics["residual_limit"], 2 * metrics["residual_limit"])
    )
    assert metrics["residual_consistent"]
    assert metrics["wiener"]["residual_consistent"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "The raw frames are what this result would have given" in page
    assert "residual" in result["outputs"]
    params = json.loads((out / "params.json").read_text())
    assert "sim15" in json.dumps(params)
    assert "weights_sha256" in json.dumps(params)


def test_half_light_goes_into_tables_that_fit_their_schema_and_a_report_that_can_be_rebuilt(tmp_path, capfd):
    import csv
    from importlib.resources import files

    import jsonschema

    out = tmp_path / "out"
    stack = dlsim.read_image(EXAMPLES / "demo_raw.tif")[:, :128, :128]
    dlsim.write_image(tmp_path / "cell.tif", stack)
    words = ["run", str(tmp_path / "cell.tif"), "-o", str(out), "--engine", "none", "--frc", "-q"]
    assert run(words) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    schema = json.loads((files("dlsim_ij.report") / "metrics.schema.json").read_text())
    jsonschema.validate(metrics, schema)
    numbers = metrics["images"][0]["metrics"]
    assert numbers["frc_status"] == "ok"
    assert numbers["frc_resolution_nm"] < numbers["widefield"]["frc_resolution_nm"]
    broken = {**metrics, "images": [{**metrics["images"][0], "metrics": {**numbers, "rsp": 1.5}}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)
    (row,) = csv.DictReader((out / "metrics.csv").read_text().splitlines())
    assert float(row["wiener_rsp"]) == numbers["wiener"]["rsp"]
    assert row["resolution_status"] == "ok"
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    page = written["report.html"].decode()
    for words in ("Fourier ring correlation", "Decorrelation: Wiener SIM", "10.1038/s41592-019-0515-7",
                  "10.1038/nmeth.4605", "10.1038/nmeth.2448"):  # fmt: skip
        assert words in page
    for name in ("report.html", "metrics.csv", "metrics.json", "params.json"):
        (out / name).unlink()
    assert run(["report", str(out), "-q"]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == written


def test_measures_can_be_left_out(tmp_path, capfd):
    words = ["run", str(EXAMPLES / "demo_raw.tif"), "-o", str(tmp_path), "--engine", "none", "--json"]
    assert run([*words, "--no-measures", "--frc"]) == 2
    assert "--no-measures" in capfd.readouterr().err
    assert run([*words, "--no-measures"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert not {"error", "curves"} & set(result["outputs"])
    assert "rsp" not in result["metrics"]
    assert not list(tmp_path.glob("*_error.tif")) + list(tmp_path.glob("*_curves.json"))
    assert "Resolution and agreement" not in (tmp_path / "report.html").read_text()


def test_existing_results_are_not_replaced_unasked(tmp_path, capfd):
    words = ["run", str(EXAMPLES / "demo_raw.tif"), "-o", str(tmp_path), "--engine", "none", "-q"]
    assert run(words) == 0
    before = (tmp_path / "demo_raw_sr.tif").read_bytes()
    assert run(words) == 2
    assert "exists already" in capfd.readouterr().err
    assert run([*words, "--overwrite"]) == 0
    assert (tmp_path / "demo_raw_sr.tif").read_bytes() == before


def test_the_network_beats_widefield_and_wiener_in_the_dark(done, truth):
    sr, wiener, wide = (fair_scores(truth, i.values).psnr_db for i in (done.sr, done.wiener, done.widefield))
    assert sr > wiener + 0.4
    assert sr > wide + 1.5


def test_one_bad_file_does_not_stop_the_others(tmp_path, capfd):
    folder = tmp_path / "in"
    (folder / "day 1").mkdir(parents=True)
    shutil.copy(EXAMPLES / "demo_raw.tif", folder / "day 1" / "good.tif")
    (folder / "bad.tif").write_bytes(b"no image")
    out = tmp_path / "out"
    assert run(["run", str(folder), "-o", str(out), "--engine", "none", "--json"]) == 1
    captured = capfd.readouterr()
    assert "bad.tif" in captured.err
    assert "Traceback" not in captured.err
    assert json.loads(captured.out)["input"].endswith("good.tif")
    assert (out / "day 1" / "good_sr.tif").exists()
    assert (out / "report.html").exists()


def test_dry_run_writes_nothing(tmp_path, capfd):
    out = tmp_path / "out"
    assert run(["run", str(EXAMPLES / "demo_raw.tif"), "-o", str(out), "--dry-run", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["outputs"]["sr"].endswith("demo_raw_sr.tif")
    assert not out.exists()


def test_phase_major_frames_are_refused_by_name(raw):
    swapped = raw.values.reshape(3, 5, *raw.shape[1:]).swapaxes(0, 1).reshape(raw.shape)
    with pytest.raises(LayoutError, match="not in angle-major order: read phase by phase"):
        dlsim.reconstruct(swapped)
    forced = dlsim.reconstruct(swapped, force=True)
    assert not forced.acquisition.fit


def test_the_wrong_number_of_frames_is_named(raw):
    with pytest.raises(LayoutError, match="14 along I, not 15 frames"):
        dlsim.reconstruct(raw.values[:14])


def test_series_in_time_and_channels(raw, done):
    frames = raw.values[:, :96, :96]
    series = np.stack([frames, 2 * frames.astype(np.uint16)])  # (T, 15, Y, X), the second twice as bright
    import xarray as xr

    image = xr.DataArray(series, dims=("T", "Z", "Y", "X"), attrs={"pixel_size_um": 0.06, "name": "series"})
    result = dlsim.reconstruct(image, compare=False)
    assert result.error is result.measures is None
    measured = dlsim.reconstruct(image)
    assert measured.error.dims == ("Y", "X")  # of the first stack
    assert measured.metrics["rsp"] > 0.7
    assert result.sr.dims == ("T", "Y", "X")
    assert result.sr.shape == (2, 192, 192)
    first, second = result.sr.values
    np.testing.assert_allclose(second, 2 * first, atol=0.01 * second.max())
    flat = xr.DataArray(series.reshape(30, 96, 96), dims=("T", "Y", "X"), attrs=image.attrs)
    np.testing.assert_array_equal(dlsim.reconstruct(flat, compare=False).sr.values, result.sr.values)


def test_enlarged_frames_give_the_result_of_the_native_ones_on_their_own_grid(raw, done):
    enlarged = np.rint(bicubic_enlarge(raw.values.astype(np.float64), 2))
    result = dlsim.reconstruct(enlarged, pixel_size_um=0.03)
    # measured at camera sampling, and brought to the grid of the input like the result
    assert result.error.shape == result.sr.shape
    assert result.metrics["resolution_nm"] == pytest.approx(done.metrics["resolution_nm"], rel=0.05)
    assert result.metrics["rsp"] == pytest.approx(done.metrics["rsp"], abs=0.01)
    assert (
        np.corrcoef(result.error.values[32:-32, 32:-32].ravel(), done.error.values[32:-32, 32:-32].ravel())[
            0, 1
        ]
        > 0.9
    )
    assert result.enlargement.was_enlarged
    assert any("enlarged 2 times" in message for message, _ in result.warnings)
    assert result.sr.shape == enlarged.shape[1:] == done.sr.shape
    assert result.sr.attrs["pixel_size_um"] == pytest.approx(0.03)
    cut = dlsim.reconstruct(enlarged[:, 3:260, 6:263], pixel_size_um=0.03)
    assert cut.error.shape == cut.sr.shape == (257, 257)
    inner = np.s_[32:-32, 32:-32]
    assert np.corrcoef(result.sr.values[inner].ravel(), done.sr.values[inner].ravel())[0, 1] > 0.999


def test_a_network_that_only_removes_noise_is_named(raw, tmp_path):
    from dlsim_ij.bundles import save_bundle
    from dlsim_ij.errors import ModelError
    from dlsim_ij.networks import create_network

    card = {
        "name": "snr",
        "architecture": {"name": "unet-snr", "options": {"width": 2}},
        "in_channels": 15,
        "scale": 1,
        "side_multiple": 16,
        "batchnorm": "running",
        "frames": {"total": 15, "selection": list(range(15))},
        "input": {"kind": "raw-frames", "selection": "sim15", "enlargement": 1},
        "normalisation": {"kind": "seed", "input": 196.0, "output": 5315.0},
    }
    save_bundle(tmp_path / "snr", create_network("unet-snr", width=2), card)
    with pytest.raises(ModelError, match="gives 15 frames"):
        dlsim.reconstruct(raw, model=str(tmp_path / "snr"))


def test_an_unknown_pixel_size_is_a_warning_and_no_scale(raw):
    result = dlsim.reconstruct(raw.values)
    assert result.sr.attrs["pixel_size_um"] is None
    assert any("pixel size is not known" in message for message, _ in result.warnings)


@pytest.mark.sample
def test_the_public_sample_scores_as_stated(sample_dir, tmp_path, capfd):
    out = tmp_path / "out"
    stack = sample_dir / "microtuble" / "HE_X2" / "Sample_1"
    truth = sample_dir / "microtuble" / "HER" / "Sample_1.tif"
    assert run(["run", str(stack), "-o", str(out), "--pixel-size", "0.03", "--engine", "none", "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert any("enlarged 2 times" in warning for warning in result["warnings"])
    assert run(["score", "--truth", str(truth), "--image", result["outputs"]["sr"], "--json"]) == 0
    score = json.loads(capfd.readouterr().out)
    assert score["psnr_db"] > 27.0  # 27.20 when the model was made; the widefield mean has 20.3
    assert score["registered"]["psnr_db"] > 29.5
    assert tifffile.imread(result["outputs"]["sr"]).shape == (256, 256)


@pytest.mark.sample
def test_the_dark_public_sample_scores_as_stated(sample_dir):
    raw = dlsim.read_image(sample_dir / "microtuble" / "LE_X2" / "Sample_1")
    truth = dlsim.read_image(sample_dir / "microtuble" / "HER" / "Sample_1.tif").values
    result = dlsim.reconstruct(raw, model="lowlight", pixel_size_um=0.03)
    assert fair_scores(truth, result.sr.values).psnr_db > 23.4  # 23.59 when the model was made


@pytest.mark.jvm
def test_imagej_enlarges_as_numpy_does(fiji, raw, tmp_path, capfd):
    for engine in ("imagej", "none"):
        words = ["run", str(EXAMPLES / "demo_raw.tif"), "-o", str(tmp_path / engine), "-q"]
        assert run([*words, "--engine", engine]) == 0
    a, b = (dlsim.read_image(tmp_path / engine / "demo_raw_wf.tif").values for engine in ("imagej", "none"))
    np.testing.assert_allclose(a, b, rtol=1e-6)
    params = json.loads((tmp_path / "imagej" / "params.json").read_text())
    assert "1.53t" in json.dumps(params)
