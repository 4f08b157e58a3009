"""The verbs of ``Ext.dlsim`` on images of a real ImageJ, and the macros of examples/ that use them."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
import xarray as xr

import dlsim_ij as dlsim
from dlsim_ij.cli.main import run
from dlsim_ij.errors import MacroError
from dlsim_ij.inference import predictor
from dlsim_ij.quality import frc_resolution, image_resolution, rse_rsp, scores
from dlsim_ij.reconstruction import esrrf, srrf

pytestmark = pytest.mark.jvm

EXAMPLES = Path(__file__).parents[2] / "examples"
MACROS = EXAMPLES / "macros"


@pytest.fixture(scope="module")
def raw():
    """Return a raw stack of 3 x 5 frames, small."""
    whole = dlsim.read_image(EXAMPLES / "demo_raw.tif")
    return whole[..., 40:136, 40:136].assign_attrs(whole.attrs, name="my cell.tif", labels=None)


@pytest.fixture(scope="module")
def pair():
    """Return a fine image and its blurred, coarser partner."""
    fine = np.random.default_rng(3).gamma(1, size=(96, 96)).astype(np.float32) ** 3
    fine = xr.DataArray(fine, dims=("Y", "X"), attrs={"name": "fine", "pixel_size_um": 0.03})
    coarse = 3 * fine.values.reshape(48, 2, 48, 2).mean(axis=(1, 3)) + 100
    coarse = xr.DataArray(coarse, dims=("Y", "X"), attrs={"name": "cell wf", "pixel_size_um": 0.06})
    return fine, coarse


def listed(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def test_predict_gives_what_python_gives_and_loads_the_model_once(fiji, raw, monkeypatch):
    expected = dlsim.reconstruct(raw, model="sim15", compare=False)
    loads = []
    original = predictor.load_bundle
    monkeypatch.setattr(predictor, "load_bundle", lambda name: loads.append(name) or original(name))
    code = """
        Ext.dlsim("predict", "model=sim15 uncertainty");
        getPixelSize(unit, width, height);
        first = getTitle() + " " + d2s(width, 3) + " " + unit;
        selectImage("my cell.tif");
        Ext.dlsim("predict");
        return first;
    """
    result = fiji.run_macro(code, image=raw)
    assert result.value == "my cell_sr 0.030 microns"
    assert [image.attrs["name"] for image in result.images] == [
        "my cell.tif", "my cell_sd", "my cell_sr", "my cell_sr",
    ]  # fmt: skip
    np.testing.assert_allclose(result.image.values, expected.sr.values, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(result.images[1].values, expected.uncertainty.values, rtol=1e-5, atol=1e-3)
    assert len(loads) <= 1


def test_wiener_with_its_widefield(fiji, raw):
    result = fiji.run_macro('Ext.dlsim("wiener", "filter=soft widefield");', image=raw)
    _, wide, wiener = result.images
    assert (wide.attrs["name"], wiener.attrs["name"]) == ("my cell_wf", "my cell_wiener")
    assert wide.shape == wiener.shape == (192, 192)
    assert wiener.attrs["pixel_size_um"] == pytest.approx(0.03)
    even = raw.values.mean(axis=0)
    assert np.corrcoef(wide.values[::2, ::2].ravel(), even.ravel())[0, 1] > 0.97
    assert np.corrcoef(wide.values.ravel(), wiener.values.ravel())[0, 1] > 0.7


def test_srrf_and_esrrf_of_a_time_series(fiji):
    frames = np.random.default_rng(0).poisson(30, (11, 24, 24)).astype(np.uint16)
    series = xr.DataArray(frames, dims=("T", "Y", "X"), attrs={"name": "blink", "pixel_size_um": 0.1})
    code = """
        Ext.dlsim("srrf", "mode=tra magnification=2 frames-per-time-point=5");
        selectImage("blink");
        Ext.dlsim("esrrf", "magnification=2 sensitivity=2");
    """
    result = fiji.run_macro(code, image=series)
    _, radial, convergent = result.images
    assert radial.attrs["name"] == "blink_srrf"
    assert radial.attrs["pixel_size_um"] == pytest.approx(0.05)
    np.testing.assert_allclose(radial.values[1], srrf(frames[5:10], 2), rtol=1e-5)
    np.testing.assert_allclose(convergent.values, esrrf(frames, 2, sensitivity=2), rtol=1e-5)
    assert "dlsim srrf: the last 1 of 11 frames, no whole time point, were left out" in result.log


def test_resolution_of_the_selection_with_a_pair(fiji, raw):
    halves = np.stack([raw.values[first::2].mean(axis=0) for first in (0, 1)]).astype(np.float32)
    stack = xr.DataArray(halves, dims=("T", "Y", "X"), attrs=raw.attrs)
    code = """
        run("Duplicate...", "title=second duplicate range=2-2");
        selectImage("my cell.tif");
        makeRectangle(8, 4, 80, 72);
        return Ext.dlsim("resolution", "pair=second table");
    """
    result = fiji.run_macro(code, image=stack)
    values = listed(result.value)
    first, second = (plane[4:76, 8:88] for plane in stack.values)
    expected = image_resolution(first, raw.attrs["pixel_size_um"])
    assert float(values["resolution_um"]) == pytest.approx(expected.resolution_nm / 1000, rel=1e-6)
    assert float(values["a0"]) == pytest.approx(expected.a0, rel=1e-6)
    ring = frc_resolution(first, second, pixel_size_um=raw.attrs["pixel_size_um"])
    assert values["frc_status"] == ring.status
    table = result.tables["Results"]
    assert table["Label"] == ["my cell.tif"]
    assert table["kc"] == [pytest.approx(expected.kc, abs=1e-3)]


def test_squirrel_finds_the_reference_by_title_and_by_id(fiji, pair):
    fine, coarse = pair
    code = """
        selectImage("cell wf");
        id = getImageID();
        selectImage("fine");
        List.setList(Ext.dlsim("squirrel", "reference=[cell wf] sigma=0.01 map"));
        title = getTitle();
        selectImage("fine");
        rsp = Ext.dlsim("squirrel", "reference=" + id + " sigma=0.01 get=rsp");
        return title + " " + List.getValue("alpha") + " " + List.getValue("beta") + " " + rsp;
    """
    result = fiji.run_macro(code, image=fine, images=[coarse])
    title, alpha, beta, rsp = result.value.split()
    expected = rse_rsp(coarse.values, fine.values, sigma_px=0.01)
    assert title == "fine_error"
    assert float(alpha) == pytest.approx(expected.alpha, rel=1e-4)
    assert float(beta) == pytest.approx(expected.beta, rel=1e-3)
    assert float(rsp) == pytest.approx(expected.rsp, abs=1e-6)
    (error,) = (image for image in result.images if image.attrs["name"] == "fine_error")
    np.testing.assert_allclose(error.values, expected.error_map, atol=1e-3)


def test_scores_of_all_planes_fill_the_table(fiji, pair):
    truth = pair[0]
    rng = np.random.default_rng(5)
    noisy = np.stack([truth.values + rng.normal(0, s, truth.shape) for s in (0.5, 2)]).astype(np.float32)
    stack = xr.DataArray(noisy, dims=("T", "Y", "X"), attrs={"name": "noisy"})
    result = fiji.run_macro('return Ext.dlsim("score", "truth=fine all table");', image=stack, images=[truth])
    each = [scores(truth.values, plane).psnr_db for plane in noisy]
    assert listed(result.value)["planes"] == "2"
    assert float(listed(result.value)["psnr_db"]) == pytest.approx(np.mean(each), rel=1e-6)
    assert result.tables["Results"]["Label"] == ["noisy:1", "noisy:2"]
    assert result.tables["Results"]["psnr_db"] == [pytest.approx(value, abs=1e-3) for value in each]


def test_check_says_what_the_stack_is(fiji, raw):
    values = listed(fiji.run_macro('return Ext.dlsim("check", "");', image=raw).value)
    assert (values["fit"], values["layout"], values["order"]) == ("1", "3x5", "angle-major")
    periods = [float(word) for word in values["periods_um"].split(",")]
    assert periods == pytest.approx([0.493] * 3, abs=0.01)  # of the demo
    assert math.isfinite(float(values["snr"]))


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        ('"predic", ""', "no verb 'predic'", "did you mean 'predict'?"),
        ('"predict", "modle=sim15"', "'predict' has no option 'modle'", "did you mean 'model'?"),
        ('"predict", "model=sim51"', "sim51", "sim15"),
        ('"predict", "pixel_size=wide"', "pixel_size=wide is not a number", "pixel_size"),
        ('"wiener", "filter=hard"', "filter=hard is no choice of 'wiener'", "choose from 'standard'"),
        ('"srrf", "magnification=1.5"', "magnification=1.5 is no whole number", "magnification=2"),
        ('"squirrel", ""', r"'squirrel' needs reference=\[", "reference="),
        ('"squirrel", "reference=[cell fw]"', "no open image is called 'cell fw'", "did you mean 'cell wf'?"),
        ('"score", "truth=[cell wf]"', "48 x 48", ""),
        ('"resolution", "get=resolution"', "gives no value 'resolution'", "did you mean 'resolution_"),
        ('"resolution", "guard=maybe"', "guard=maybe is neither on nor off", "guard=false"),
        ('"check", ""', "raw", ""),
    ],
)
def test_a_refusal_names_line_and_way_out(fiji, pair, call, message, hint):
    fine, coarse = pair
    with pytest.raises(MacroError, match=message) as caught:
        fiji.run_macro(f"a = 1;\nb = Ext.dlsim({call});\nc = 2;", image=fine, images=[coarse])
    assert caught.value.line == 2
    assert hint in (caught.value.hint or "")


def test_two_images_of_one_title_are_told_apart_by_id(fiji, pair):
    fine, coarse = pair
    with pytest.raises(MacroError, match="2 open images are called 'cell wf'") as caught:
        fiji.run_macro('Ext.dlsim("squirrel", "reference=[cell wf]");', image=fine, images=[coarse, coarse])
    assert "getImageID()" in caught.value.hint


def test_a_table_of_another_name(fiji, pair):
    result = fiji.run_macro('Ext.dlsim("resolution", "table=[My numbers]");', image=pair[0])
    assert result.tables["My numbers"]["status"]
    assert "Results" not in result.tables


@pytest.fixture
def folder(tmp_path, raw):
    """Return a folder with two raw stacks and a file that is none."""
    place = tmp_path / "raw data"
    place.mkdir()
    for name, stack in (("b.tif", raw.values[:, ::-1].copy()), ("a.tif", raw.values)):
        tifffile.imwrite(place / name, stack, imagej=True, resolution=(1 / 0.06, 1 / 0.06),
                         metadata={"unit": "um", "axes": "ZYX"})  # fmt: skip
    (place / "notes.txt").write_text("no image")
    return place


def test_the_example_of_a_batch(fiji, folder, tmp_path, capfd, monkeypatch):
    table = tmp_path / "my pieces.csv"
    words = f"input=[{folder}] table=[{table}]"
    assert run(["macro", str(MACROS / "batch_reconstruct.ijm"), words, "--engine", "imagej"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "2"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["a.tif", "b.tif"]
    for row in rows:
        assert int(row["pieces"]) >= 1
        assert 0.02 <= float(row["area_um2"]) < 5.76**2  # smaller than the field
        assert 0.05 < float(row["resolution_um"]) < 0.5
    assert {path.name for path in tmp_path.rglob("*.tif")} == {"a.tif", "b.tif"}  # nothing by way of files


def test_the_example_of_two_reconstructions(fiji, folder, capfd):
    words = ["macro", str(MACROS / "compare_reconstructions.ijm"), str(folder / "a.tif")]
    assert run([*words, "--engine", "imagej"]) == 0
    out = capfd.readouterr().out.splitlines()
    assert out[-1] in ("a_sr", "a_wiener")
    table = [line.split("\t") for line in out if "\t" in line]
    assert {"Label", "rsp", "rse", "resolution_um"} <= set(table[0])
    assert [row[0] for row in table[1:]] == ["a_sr", "a_wiener"]


def test_the_example_that_looks_before_it_reconstructs(fiji, folder, tmp_path, capfd):
    macro = str(MACROS / "check_then_reconstruct.ijm")
    assert run(["macro", macro, str(folder / "a.tif"), "--engine", "imagej"]) == 0
    out = capfd.readouterr().out
    assert "frames 3x5, angle-major" in out
    assert "a_sr, error " in out.splitlines()[-1]
    noise = tmp_path / "noise.tif"
    pixels = np.random.default_rng(0).poisson(100, (15, 64, 64)).astype(np.uint16)
    tifffile.imwrite(noise, pixels, imagej=True)
    assert run(["macro", macro, str(noise), "--engine", "imagej"]) == 2
    assert "not fit for reconstruction" in capfd.readouterr().err


def test_values_and_rows_need_no_display(run_script, path_without_xvfb):
    code = """
        made = 'a = Ext.dlsim("resolution", "table");'
        print(fiji.run_macro(made, image=IMAGE).tables["Results"]["Label"])
        try:
            fiji.run_macro('a = Ext.dlsim("resolution", "table=[my own]");', image=IMAGE)
        except MacroError as error:
            print(error.line, error.message)
    """
    rc, out, err = run_script(code, PATH=path_without_xvfb, DISPLAY="")
    assert (rc, out) == (
        0,
        "['image']\n1 a table 'my own' is a window, and there are none without a display\n",
    ), err
