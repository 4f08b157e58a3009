"""``dlsim squirrel`` as users call it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.cli.main import run
from dlsim_ij.images import read_image
from dlsim_ij.quality import rse_rsp

KEYS = {
    "reference",
    "image",
    "mode",
    "rsp",
    "rse",
    "alpha",
    "beta",
    "sigma_px",
    "sigma_um",
    "shift_px",
    "warnings",
}


def pair(seed: int = 0, size: int = 32, factor: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(random.gamma(0.2, 900, (factor * size, factor * size)), 1.0)
    means = ndimage.gaussian_filter(image, 1.3 * factor).reshape(size, factor, size, factor).mean(axis=(1, 3))
    return random.poisson(2 * means + 100).astype(np.uint16), image.astype(np.float32)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    reference, image = pair()
    tifffile.imwrite(tmp_path / "cell_wf.tif", reference)
    tifffile.imwrite(
        tmp_path / "cell_sr.tif", image, imagej=True, resolution=(1 / 0.04, 1 / 0.04), metadata={"unit": "um"}
    )
    return tmp_path / "cell_wf.tif", tmp_path / "cell_sr.tif"


def call(*words: object) -> int:
    return run(["squirrel", *map(str, words)])


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.parametrize("mode", ["exact", "compat"])
def test_json_is_one_line_with_the_promised_keys(files, capfd, mode):
    assert call("--reference", files[0], "--image", files[1], "--mode", mode, "--json") == 0
    out, err = capfd.readouterr()
    (row,) = json_lines(out)
    assert set(row) >= KEYS
    expected = rse_rsp(*(tifffile.imread(path) for path in files), mode=mode, pixel_size_um=0.04)
    assert row["rsp"] == pytest.approx(expected.rsp, abs=1e-12)
    assert row["sigma_um"] == pytest.approx(expected.sigma_px * 0.08)
    assert row["mode"] == mode
    assert err == ""


def test_text_is_a_table_with_one_heading(files, capfd):
    assert call("--reference", files[0], "--image", files[1], "--image", files[1]) == 0
    out, err = capfd.readouterr()
    heading, first, second = out.splitlines()
    assert heading.split()[:2] == ["RSP", "RSE"]
    assert heading.endswith("image (exact)")
    assert first == second
    assert first.endswith(str(files[1]))
    assert "mean of all" in err


def test_maps_are_calibrated_imagej_tiffs(files, tmp_path, capfd):
    words = ["--reference", files[0], "--image", files[1], "--maps", tmp_path / "maps", "--json"]
    assert call(*words) == 0
    (row,) = json_lines(capfd.readouterr().out)
    absolute, signed = (read_image(path) for path in (row["maps"]["error"], row["maps"]["signed"]))
    assert Path(row["maps"]["error"]) == tmp_path / "maps" / "cell_sr_error.tif"
    assert Path(row["maps"]["signed"]) == tmp_path / "maps" / "cell_sr_error_signed.tif"
    expected = rse_rsp(*(tifffile.imread(path) for path in files)).signed_map
    np.testing.assert_array_equal(signed.values, expected)
    np.testing.assert_array_equal(absolute.values, np.abs(expected))
    assert absolute.attrs["pixel_size_um"] == pytest.approx(0.04)
    top = float(absolute.max())
    assert absolute.attrs["display_range"] == pytest.approx((0, top))
    assert signed.attrs["display_range"] == pytest.approx((-top, top))
    before = Path(row["maps"]["error"]).stat().st_mtime_ns
    assert call(*words) == 2
    assert "exists already" in capfd.readouterr().err
    assert Path(row["maps"]["error"]).stat().st_mtime_ns == before
    assert call(*words, "--overwrite") == 0
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        "cell_sr_error.tif",
        "cell_sr_error_signed.tif",
    ]


@pytest.mark.parametrize("mode", ["exact", "compat"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_stack_is_compared_plane_by_plane(tmp_path, capfd, mode, threads):
    pairs = [pair(seed) for seed in range(3)]
    images = np.stack([image for _, image in pairs])
    images[1] = 7
    tifffile.imwrite(tmp_path / "wf.tif", np.stack([reference for reference, _ in pairs]), imagej=True)
    tifffile.imwrite(tmp_path / "sr.tif", images, imagej=True)
    words = ["--reference", tmp_path / "wf.tif", "--image", tmp_path / "sr.tif", "--mode", mode]
    words += ["--threads", threads, "--maps", tmp_path, "--csv", tmp_path / "table.csv", "--json"]
    assert call(*words) == 1
    out, err = capfd.readouterr()
    rows = json_lines(out)
    assert [row["plane"] for row in rows] == [1, 3]
    assert f"error: {tmp_path / 'sr.tif'}, plane 2: the image is constant" in err
    assert rows[1]["rsp"] == pytest.approx(rse_rsp(*pairs[2], mode=mode).rsp, abs=1e-12)
    table = rows_of(tmp_path / "table.csv")
    assert [row["rsp"] == "" for row in table] == [False, True, False]
    assert table[1]["error"].startswith("the image is constant")
    maps = tifffile.imread(tmp_path / "sr_error.tif")
    assert maps.shape == images.shape
    assert np.isnan(maps[1]).all()
    np.testing.assert_array_equal(maps[2], rse_rsp(*pairs[2], mode=mode).error_map)
    assert not list(tmp_path.glob(".*"))


def test_one_reference_serves_a_whole_stack(tmp_path, capfd):
    reference, image = pair()
    tifffile.imwrite(tmp_path / "wf.tif", reference)
    tifffile.imwrite(tmp_path / "sr.tif", np.stack([image, image**2]), imagej=True)
    assert call("--reference", tmp_path / "wf.tif", "--image", tmp_path / "sr.tif", "--json") == 0
    first, second = json_lines(capfd.readouterr().out)
    assert first["rsp"] > second["rsp"]
    tifffile.imwrite(tmp_path / "three.tif", np.stack([reference] * 3), imagej=True)
    assert call("--reference", tmp_path / "three.tif", "--image", tmp_path / "sr.tif") == 2
    assert "the reference has 3 planes, the image 2" in capfd.readouterr().err


def test_the_plugins_mode_aligns_a_stack_together(tmp_path, capfd):
    reference, image = pair()
    framed = image.copy()
    framed[:6] = 0
    tifffile.imwrite(tmp_path / "wf.tif", reference)
    tifffile.imwrite(tmp_path / "sr.tif", np.stack([image, framed]), imagej=True)
    words = ["--reference", tmp_path / "wf.tif", "--image", tmp_path / "sr.tif", "--json", "--mode"]
    assert call(*words, "compat") == 0
    assert [row["crop"][0] for row in json_lines(capfd.readouterr().out)] == [3, 3]
    assert call(*words, "exact") == 0
    assert [row["crop"][0] for row in json_lines(capfd.readouterr().out)] == [0, 3]


def test_folders_pair_by_name(tmp_path, capfd):
    for folder in ("wf", "sr"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate(["a", "b"]):
        reference, image = pair(number)
        tifffile.imwrite(tmp_path / "wf" / f"{name}_wf.tif", reference)
        tifffile.imwrite(tmp_path / "sr" / f"{name}_sr.tif", image)
    tifffile.imwrite(tmp_path / "sr" / "stray.tif", pair(2)[1])
    assert call("--reference", tmp_path / "wf", "--image", tmp_path / "sr", "--json") == 1
    out, err = capfd.readouterr()
    found = [(Path(row["reference"]).name, Path(row["image"]).name) for row in json_lines(out)]
    assert found == [("a_wf.tif", "a_sr.tif"), ("b_wf.tif", "b_sr.tif")]
    assert "stray.tif: no reference of that name" in err


def test_a_dry_run_writes_nothing(files, tmp_path, capfd):
    before = sorted(tmp_path.iterdir())
    words = ["--maps", tmp_path / "maps", "--csv", tmp_path / "t.csv", "--dry-run", "--json"]
    assert call("--reference", files[0], "--image", files[1], *words) == 0
    (row,) = json_lines(capfd.readouterr().out)
    assert (row["planes"], len(row["outputs"])) == (1, 3)
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_known_of_the_blur_is_kept(files, tmp_path, capfd):
    spot = np.zeros((15, 15))
    spot[7, 7] = 1
    tifffile.imwrite(tmp_path / "rsf.tif", ndimage.gaussian_filter(spot, 2.0).astype(np.float32))
    mask = np.zeros((32, 32), np.uint8)
    mask[4:20, 4:24] = 255
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    pixels = ["--reference", files[0], "--image", files[1], "--json", "--no-register"]
    for words, sigma_px, count in (
        (["--sigma", 1.7], 1.7, 1024),
        (["--sigma-um", 0.16], 2.0, 1024),
        (["--sigma-um", 0.16, "--pixel-size", 0.02], 4.0, 1024),
        (["--rsf", tmp_path / "rsf.tif", "--mode", "compat"], 2.0, 1024),
        (["--sigma", 1.3, "--mask", tmp_path / "mask.tif"], 1.3, 320),
    ):
        assert call(*pixels, *words) == 0
        (row,) = json_lines(capfd.readouterr().out)
        assert row["sigma_px"] == pytest.approx(sigma_px, rel=1e-2)
        assert row["scored_px"] == count


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--reference is missing"),
        (["--reference", "cell_wf.tif"], "--image is missing"),
        (["--reference", "cell_wf.tif", "--image", "none.tif"], "none.tif"),
        (["--reference", "cell_wf.tif", "--image", "cell_sr.tif", "--emission-nm", "500"], "belong together"),
        (["--reference", "cell_wf.tif", "--image", "cell_sr.tif", "--max-shift", "5"], "the plugin's"),
        (
            ["--reference", "cell_wf.tif", "--image", "cell_sr.tif", "--sigma", "1", "--sigma-um", "1"],
            "twice",
        ),
        (["--reference", "cell_wf.tif", "--image", "cell_sr.tif", "--csv", "no/t.csv"], "does not exist"),
        (["--reference", "cell_wf.tif", "--image", "cell_sr.tif", "--maps", "cell_sr.tif"], "cell_sr.tif"),
        (["--reference", "cell_wf.tif", "--image", "cell_sr.tif", "--csv", "cell_wf.tif"], "over an input"),
        (
            ["--reference", "cell_wf.tif", "--image", "cell_sr.tif", "--mask", "cell_sr.tif"],
            "the mask is 64 x 64",
        ),
        (["--reference", "cell_sr.tif", "--image", "cell_wf.tif"], "the reference is the larger one"),
        (["--seed-batch", "a", "b", "c"], "--seed-batch makes a table"),
        (["--seed-batch", "a", "b", "c", "--csv", "t.csv"], "a is no folder"),
        (["--seed-batch", "a", "b", "c", "--csv", "t.csv", "--image", "x.tif"], "takes the place"),
    ],
)
def test_wrong_usage_is_one_line_and_a_hint(files, tmp_path, monkeypatch, capfd, words, message):
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert call(*words) == 2
    out, err = capfd.readouterr()
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert hint.startswith("hint: ")
    assert out == ""
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


BAD = {
    "constant": (np.full((64, 64), 5, np.uint16), "is constant"),
    "zero": (np.zeros((64, 64), np.uint16), "is constant"),
    "nan": (np.full((64, 64), np.nan, np.float32), "NaN or infinite"),
    "one": (np.ones((1, 1), np.uint16), "the reference is the larger one|constant|at least"),
    "strip": (np.random.default_rng(0).random((3, 100000), np.float32), "3 x 100000"),
    "sizes": (np.random.default_rng(0).random((64, 70), np.float32), "no integer magnification"),
    "fraction": (np.random.default_rng(0).random((48, 48), np.float32), "no integer magnification"),
    "complex": (np.ones((64, 64), np.complex64), "complex"),
    "boolean": (np.eye(64, dtype=bool), "bool"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("mode", ["exact", "compat"])
def test_bad_images_are_one_line(files, tmp_path, capfd, name, mode):
    pixels, message = BAD[name]
    np.save(tmp_path / "bad.npy", pixels)
    assert (
        call(
            "--reference", files[0], "--image", tmp_path / "bad.npy", "--mode", mode, "--maps", tmp_path / "m"
        )
        == 2
    )
    error, hint = capfd.readouterr().err.splitlines()
    assert any(part in error for part in message.split("|")), error
    assert hint.startswith("hint: ")
    assert not list(tmp_path.rglob("*.part*"))


@pytest.fixture
def seed_folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    high, low, made = (tmp_path / name for name in ("HE", "LE", "Pred"))
    for sample in ("Sample_1", "Sample_2"):
        for folder in (high / sample, low / sample, made / f"{sample}_pred"):
            folder.mkdir(parents=True)
        for number in range(3):
            reference, image = pair(number, factor=1)
            tifffile.imwrite(high / sample / f"HE_{number:02}.tif", reference)
            noise = np.random.default_rng(number + 10).poisson(0.1 * image).astype(np.uint16)
            tifffile.imwrite(low / sample / f"LE_{number:02}.tif", noise)
            tifffile.imwrite(made / f"{sample}_pred" / f"HE_{number:02}.tif", image)
        # the mean of all, of which there is no prediction
        tifffile.imwrite(high / sample / "HE_03.tif", reference)
        tifffile.imwrite(low / sample / "LE_03.tif", noise)
    return high, low, made


@pytest.mark.parametrize("counted_from", [0, 1])
def test_the_seeds_batch(seed_folders, tmp_path, capfd, counted_from):
    if counted_from == 1:  # as the authors' prediction script names them
        for folder in seed_folders[2].iterdir():
            for path in sorted(folder.iterdir()):
                path.rename(folder / f"HE_X2_{int(path.stem[-2:]) + 1}.tif")
    assert call("--seed-batch", *seed_folders, "--csv", tmp_path / "table.csv", "--json") == 0
    rows = json_lines(capfd.readouterr().out)
    assert len(rows) == 2 * 3 * 2
    assert {row["mode"] for row in rows} == {"compat"}
    assert rows[0]["role"] == "LE"
    table = rows_of(tmp_path / "table.csv")
    assert list(table[0]) == ["Sample", "Image", "RSP-LE", "RSP-Pred", "RSE-LE", "RSE-Pred"]
    assert [row["Image"] for row in table[:4]] == ["HE_00.tif", "HE_01.tif", "HE_02.tif", "Average"]
    read = [
        tifffile.imread(path)
        for path in (seed_folders[0] / "Sample_2/HE_01.tif", seed_folders[1] / "Sample_2/LE_01.tif")
    ]
    assert float(table[5]["RSP-LE"]) == pytest.approx(rse_rsp(*read, mode="compat").rsp)
    assert all(float(row["RSP-Pred"]) > float(row["RSP-LE"]) for row in table)
    mean = np.mean([float(row["RSE-Pred"]) for row in table[4:7]])
    assert float(table[7]["RSE-Pred"]) == pytest.approx(mean)


def test_the_seeds_batch_names_what_is_missing(seed_folders, tmp_path, capfd):
    (seed_folders[2] / "Sample_2_pred" / "HE_01.tif").unlink()
    assert call("--seed-batch", *seed_folders, "--csv", tmp_path / "t.csv", "--mode", "exact", "-q") == 1
    assert "HE_01.tif: no prediction belongs to it" in capfd.readouterr().err
    table = rows_of(tmp_path / "t.csv")
    assert [row["RSP-Pred"] == "" for row in table[4:]] == [False, True, False, True, False]


def test_a_real_process_and_ctrl_c(tmp_path):
    """Interrupted in the middle of a stack, it leaves no file behind."""
    reference, image = pair(size=200)
    tifffile.imwrite(tmp_path / "wf.tif", reference)
    tifffile.imwrite(tmp_path / "sr.tif", np.stack([image] * 60), imagej=True)
    words = [sys.executable, "-m", "dlsim_ij", "squirrel", "--reference", "wf.tif", "--image", "sr.tif"]
    words += ["--maps", "maps", "--csv", "t.csv", "--json", "--threads", "2"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert json.loads(first)["rsp"] > 0.9
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nothing is half written" in err
    time.sleep(0.2)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["maps", "sr.tif", "wf.tif"]
