"""``dlsim simulate`` beyond its main path: own objects, own microscopes, stacks like another, made again."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import dlsim_ij as dlsim
from dlsim_ij.cli.main import run


def simulate(folder, *words):
    return run(["simulate", "-o", str(folder), "--size", "64", *map(str, words)])


def rows(capfd):
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def parameters(row):
    with open(row["parameters"]) as file:
        return json.load(file)


def test_a_dry_run_names_the_files_and_writes_none(tmp_path, capfd):
    out = tmp_path / "out"
    assert run(["simulate", "-o", str(out), "--count", "2", "--size", "64", "--dry-run", "--json"]) == 0
    made = rows(capfd)
    assert [row["dry_run"] for row in made] == [True, True]
    assert {"raw", "truth", "parameters"} <= set(made[0])
    assert not out.exists()


def test_another_process_makes_the_same_three_files(tmp_path, capfd):
    words = ["--size", "64", "--seed", "3", "--structure", "adhesions", "--geometry", "random", "--json"]
    assert run(["simulate", "-o", str(tmp_path / "here"), *words]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "dlsim_ij", "simulate", "-o", str(tmp_path / "there"), *words],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    here, there = (json.loads(text) for text in (capfd.readouterr().out, done.stdout))
    for kind in ("raw", "truth", "parameters"):
        with open(here[kind], "rb") as a, open(there[kind], "rb") as b:
            assert a.read() == b.read()


def test_a_structure_named_twice_is_refused_before_anything_is_written(tmp_path, capfd):
    out = tmp_path / "out"
    assert run(["simulate", "-o", str(out), "--size", "64", *["--structure", "actin"] * 2]) == 2
    assert "'actin' is given twice" in capfd.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--geometry", "random", "--seed", "5"],
        ["--layout", "3x3", "--structure", "beads", "--bleaching", "30", "--drift", "2", "--phase-error", "5",
         "--flicker", "2", "--angle-jitter", "1", "--period-jitter", "1", "--scmos", "--dark-current", "20"],
        ["--structure", "siemens-star", "--depth-um", "4", "--sample-index", "1.38", "--spherical-waves",
         "0.05", "--emccd", "--points-per-pixel", "4"],
    ],
)  # fmt: skip
def test_a_parameters_file_makes_the_same_stack_again(tmp_path, capfd, words):
    assert simulate(tmp_path / "first", "--json", *words) == 0
    (first,) = rows(capfd)
    again = ["simulate", "-o", str(tmp_path / "again"), "--parameters", first["parameters"], "--json"]
    assert run(again) == 0
    (second,) = rows(capfd)
    for kind in ("raw", "truth"):
        with open(first[kind], "rb") as a, open(second[kind], "rb") as b:
            assert a.read() == b.read()
    assert parameters(first)["conditions"] == parameters(second)["conditions"]


def test_a_parameters_file_is_a_start_for_other_stacks(tmp_path, capfd):
    assert simulate(tmp_path / "first", "--geometry", "random", "--seed", "2", "--json") == 0
    (first,) = rows(capfd)
    words = ["--parameters", first["parameters"], "--structure", "beads", "--count", "2", "--photons", "20"]
    assert run(["simulate", "-o", str(tmp_path / "more"), *words, "--json"]) == 0
    more = rows(capfd)
    old = parameters(first)["conditions"]
    for row in more:
        new = parameters(row)["conditions"]
        assert new["patterns"] == old["patterns"]
        assert new["photons"] == 20
    one, two = (dlsim.read_image(row["raw"]).values for row in more)
    assert one.shape == (15, 64, 64)
    assert (one != two).any()


def test_options_say_what_the_microscope_is(tmp_path, capfd):
    words = ["--layout", "4x3", "--period-nm", "300", "--angle", "10", "--modulation", "0.7", "--na", "1.2",
             "--emission-nm", "610", "--pixel-size", "0.08", "--gain", "0.5", "--offset", "400", "--bits",
             "12", "--haze", "2", "--haze-blur", "9", "--background", "0.4", "--photons", "900",
             "--quantum-yield", "0.8", "--write-object", "--bleaching", "20"]  # fmt: skip
    assert simulate(tmp_path, *words, "--json") == 0
    (row,) = rows(capfd)
    raw, truth, own = (dlsim.read_image(row[kind]) for kind in ("raw", "truth", "object"))
    assert raw.shape == (12, 64, 64)
    assert raw.attrs["labels"][:4] == ["a0p0", "a0p1", "a0p2", "a1p0"]
    assert raw.attrs["pixel_size_um"] == pytest.approx(0.08)
    assert truth.attrs["pixel_size_um"] == own.attrs["pixel_size_um"] == pytest.approx(0.04)
    assert raw.values.max() <= 4095
    seen = parameters(row)["conditions"]
    assert seen["optics"] == {"na": 1.2, "emission_nm": 610, "pixel_size_um": 0.08}
    assert (seen["haze"], seen["haze_sigma_px"], seen["flat"], seen["photons"]) == (2, 9, 0.4, 900)
    assert seen["camera"]["gain_adu_per_electron"] == 0.5
    assert seen["intensity"][-1] < 0.9 * seen["intensity"][0]
    periods = [1000 * 0.08 / np.hypot(*p["frequency_px"]) for p in seen["patterns"]]
    np.testing.assert_allclose(periods, 300)


def test_coarse_pixels_get_the_grid_they_need(tmp_path, capfd):
    assert simulate(tmp_path, "--pixel-size", "0.2", "--json") == 0
    assert parameters(rows(capfd)[0])["points_per_pixel"] == 4


@pytest.mark.parametrize(
    ("name", "pixel"), [("picture.png", None), ("picture.tif", 0.05), ("points.csv", None)]
)
def test_the_users_own_object_is_simulated(tmp_path, capfd, name, pixel):
    file = tmp_path / name
    picture = np.zeros((50, 40), np.uint8)
    picture[20:30, 5:35] = 200
    if name.endswith("png"):
        Image.fromarray(picture).save(file)
    elif name.endswith("tif"):
        dlsim.write_image(file, picture, pixel_size_um=pixel)
    else:
        file.write_text("y,x,brightness\n# two points\n1.92,1.00,1\n1.92,2.84,2\n")
    words = ["--object", file, "--haze", "0", "--background", "0", "--write-object", "--photons", "200"]
    assert simulate(tmp_path / "out", *words, "--json") == 0
    (row,) = rows(capfd)
    assert row["raw"].endswith(f"{file.stem}_001_raw.tif")
    own = dlsim.read_image(row["object"]).values
    wide = dlsim.read_image(row["raw"]).values.mean(axis=0) - 100
    y, x = np.indices(own.shape) + 0.5
    centre = (own * y).sum() / own.sum() / own.shape[0], (own * x).sum() / own.sum() / own.shape[1]
    if name.endswith("csv"):
        assert own.shape == (512, 512)  # a fine grid
        assert centre == pytest.approx((0.5, (1.0 + 2 * 2.84) / 3 / 3.84), abs=1e-3)
    else:
        assert centre == pytest.approx((0.5, 0.5), abs=0.01)
    bright = np.flatnonzero(wide.mean(axis=1) > 0.3 * wide.mean(axis=1).max())
    assert 20 < bright.min() <= bright.max() < 44
    again = ["simulate", "-o", str(tmp_path / "again"), "--parameters", row["parameters"], "--json"]
    assert run(again) == 0
    with open(row["raw"], "rb") as a, open(rows(capfd)[0]["raw"], "rb") as b:
        assert a.read() == b.read()


def test_a_measured_point_and_a_measured_camera_are_read(tmp_path, capfd):
    place = (np.arange(41) - 20) * 0.03
    point = np.exp(-0.5 * np.add.outer(place**2, place**2) / 0.15**2).astype(np.float32)
    dlsim.write_image(tmp_path / "psf.tif", np.stack([0.5 * point, point]), pixel_size_um=0.03)
    maps = np.ones((3, 80, 80), np.float32) * np.array([200, 9, 3], np.float32)[:, None, None]
    dlsim.write_image(tmp_path / "maps.tif", maps)
    words = [
        "--psf",
        tmp_path / "psf.tif",
        "--camera-maps",
        tmp_path / "maps.tif",
        "--photons",
        "50",
        "--json",
    ]
    assert simulate(tmp_path / "out", *words) == 0
    (row,) = rows(capfd)
    kept = parameters(row)["conditions"]
    assert kept["psf"]["source"].endswith("psf.tif")
    assert kept["camera"]["maps"]["source"].endswith("maps.tif")
    raw = dlsim.read_image(row["raw"]).values
    assert 195 < np.percentile(raw, 1) < 260
    assert run(["simulate", "-o", str(tmp_path / "b"), "--parameters", row["parameters"], "--json"]) == 0
    np.testing.assert_array_equal(dlsim.read_image(rows(capfd)[0]["raw"]).values, raw)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Return a raw stack to be liked, and what it was made with."""
    folder = tmp_path_factory.mktemp("liked")
    words = ["--structure", "actin", "--photons", "250", "--haze", "1", "--otf-damping", "0.3", "--seed", "6"]
    assert run(["simulate", "-o", str(folder), *words, "-q"]) == 0
    with open(folder / "actin_001_parameters.json") as file:
        return folder / "actin_001_raw.tif", json.load(file)["conditions"]


def test_stacks_like_another_have_its_microscope(tmp_path, capfd, stack):
    raw, true = stack
    words = ["--like", str(raw), "--structure", "microtubules", "--count", "2", "--json"]
    assert run(["simulate", "-o", str(tmp_path), *words]) == 0
    printed = capfd.readouterr()
    made = [json.loads(line) for line in printed.out.splitlines()]
    assert "period 493 nm" in printed.err
    assert "not measured: read noise" in printed.err
    for row in made:
        assert row["fit"]["noise"]["gain_adu_per_electron"] == pytest.approx(6.85, rel=0.05)
        found = parameters(row)["conditions"]
        assert found["photons"] == pytest.approx(true["photons"], rel=0.1)
        assert found["otf_damping"] == pytest.approx(0.3, rel=0.2)
        for a, b in zip(found["patterns"], true["patterns"], strict=True):
            np.testing.assert_allclose(a["modulation"], b["modulation"], atol=0.05)
        assert dlsim.read_image(row["raw"]).shape == (15, 128, 128)


def test_a_scene_can_be_simulated_again(tmp_path, capfd, stack):
    raw, _ = stack
    assert run(["simulate", "-o", str(tmp_path), "--like", str(raw), "--scene", "-q", "--json"]) == 0
    (row,) = rows(capfd)
    real, made = (dlsim.read_image(path).values.mean(axis=0) for path in (raw, row["raw"]))
    assert np.corrcoef(real.ravel(), made.ravel())[0, 1] > 0.97
    assert made.mean() == pytest.approx(real.mean(), rel=0.1)
    assert run(["simulate", "-o", str(tmp_path / "b"), "--parameters", row["parameters"]]) == 2
    assert "was the scene of" in capfd.readouterr().err


def test_a_stack_in_another_order_is_not_imitated(tmp_path, capfd, stack):
    frames = dlsim.read_image(stack[0]).values
    mixed = frames.reshape(3, 5, 128, 128).swapaxes(0, 1).reshape(15, 128, 128)
    dlsim.write_image(tmp_path / "mixed.tif", mixed, pixel_size_um=0.06)
    assert run(["simulate", "-o", str(tmp_path / "out"), "--like", str(tmp_path / "mixed.tif")]) == 2
    assert "not in angle-major order" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_options_go_on_top_of_what_was_fitted(tmp_path, capfd, stack):
    words = ["--like", str(stack[0]), "--photons", "5", "--haze", "0", "--bleaching", "50", "-q", "--json"]
    assert run(["simulate", "-o", str(tmp_path), "--size", "64", *words]) == 0
    found = parameters(rows(capfd)[0])["conditions"]
    assert (found["photons"], found["haze"]) == (5, 0)
    assert found["intensity"][-1] < 0.6 * found["intensity"][0]


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["--period-nm", "100"], "does not pass these optics", "above 176 nm"),
        (["--layout", "3x4", "--beams", "3"], "5 phases are needed", "--beams 2"),
        (["--pixel-size", "0.2", "--points-per-pixel", "2"], "do not hold what these optics", "4 points"),
        (["--layout", "3by5"], "not angles x phases", "3x5"),
        (["--modulation", "high"], "not numbers", "0.6,0.35"),
        (["--scene"], "--scene without --like", "--like RAW"),
        (["--like", "a.tif", "--parameters", "b.json"], "both say what the microscope is", "one of them"),
        (["--object", "a.png", "--structure", "actin"], "both say what the object is", "one of them"),
        (["--geometry", "random", "--period-nm", "300"], "--period-nm contradicts", "leave out"),
        (["--like", "a.tif", "--angle", "3"], "--angle contradicts", "leave out"),
        (["--object", "missing.png"], "missing.png", ""),
        (["--object", "missing.csv"], "missing.csv", ""),
        (["--like", "missing.tif"], "missing.tif", ""),
        (["--psf", "missing.tif"], "missing.tif", ""),
        (["--parameters", "missing.json"], "missing.json", ""),
        (["--spherical-waves", "0.1", "--immersion-index", "1.33"], "not possible with an immersion", ""),
        (["--structure", "mitocondria"], "mitocondria", "did you mean 'mitochondria'?"),
        (["--structure", "focal-adhesions"], "focal-adhesions", "did you mean 'adhesions'?"),
        (["--photons", "0"], "0", ""),
        (["--bits", "32"], "32", ""),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path, capfd, monkeypatch, words, error, hint
):
    monkeypatch.chdir(tmp_path)
    assert simulate("out", *words) == 2
    said = capfd.readouterr()
    assert said.out == ""
    lines = said.err.strip().splitlines()
    assert lines[0].startswith("error: ")
    assert error in lines[0]
    assert hint in lines[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", "[1]", "has no 'conditions'"),
        ("a.json", '{"conditions": {"photons": 3}}', "'patterns' is missing"),
        ("a.csv", "y,x\n", "holds 0 points"),
        ("a.csv", "1,2\n1,2,3\n", "different lengths"),
        ("a.csv", "1,2\n1,two\n", "line 2"),
        ("a.png", "no picture", "cannot be read"),
    ],
)
def test_damaged_files_are_named(tmp_path, capfd, name, text, error):
    (tmp_path / name).write_text(text)
    flag = "--parameters" if name.endswith("json") else "--object"
    assert simulate(tmp_path / "out", flag, tmp_path / name) == 2
    assert error in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("size_px", [64], "'size_px'"),
        ("size_px", [64, 63], "'size_px'"),
        ("random_seed", "many", "'random_seed'"),
        ("points_per_pixel", 3, "'points_per_pixel'"),
        ("structure", 7, "'structure'"),
        ("structure", "mitocondria", "no structure is called"),
        ("object_file", ["a"], "'object_file'"),
        ("random_state", {"state": {"state": "zz"}}, "'random_state'"),
        ("random_state", {"state": {"state": "0x1", "inc": "0x3"}}, "'random_state'"),
    ],
)
def test_damaged_parameters_are_named(tmp_path, capfd, key, value, error):
    assert simulate(tmp_path / "first", "--json") == 0
    (row,) = rows(capfd)
    (tmp_path / "damaged.json").write_text(json.dumps({**parameters(row), key: value}))
    words = ["simulate", "-o", str(tmp_path / "out"), "--parameters", str(tmp_path / "damaged.json")]
    assert run(words) == 2
    assert error in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_point_without_a_scale_is_refused(tmp_path, capfd):
    dlsim.write_image(tmp_path / "psf.tif", np.eye(9, dtype=np.float32))
    assert simulate(tmp_path / "out", "--psf", tmp_path / "psf.tif") == 2
    assert "does not tell its pixel size" in capfd.readouterr().err


@pytest.mark.sample
def test_the_public_sample_is_taken_back_to_its_pixels_and_imitated(sample_dir, tmp_path, capfd):
    folder = sample_dir / "microtuble" / "HE_X2" / "Sample_1"
    words = ["--like", str(folder), "--pixel-size", "0.03", "--json"]
    assert run(["simulate", "-o", str(tmp_path), *words]) == 0
    printed = capfd.readouterr()
    assert "back to native pixels of 0.06 um" in printed.err
    (row,) = (json.loads(line) for line in printed.out.splitlines())
    made = dlsim.read_image(row["raw"])
    assert made.shape == (15, 128, 128)
    assert made.attrs["pixel_size_um"] == pytest.approx(0.06)
    assert 400 < made.values.mean() < 1600
