"""``dlsim resolution`` as users call it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.cli.main import run
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.processes import map_in_processes

REFERENCE = Path(__file__).parents[1] / "reference" / "decorrelation"
PROMISED = {
    "file", "plane", "slice", "frame", "channel", "version", "status", "kc", "kc_gm", "a0", "resolution_px",
    "resolution_um", "warnings",
}  # fmt: skip
RING = "fil256_s2.tif"


def picture(seed: int = 0, size: int = 96, sigma_px: float = 1.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = (rng.random((size, size)) > 0.98).astype(float)
    return rng.poisson(2000 * ndimage.gaussian_filter(points, sigma_px) + 10).astype(np.float32)


def write(path: Path, data: np.ndarray, axes: str, pixel_size_um: float = 0.065) -> Path:
    tifffile.imwrite(
        path, data, imagej=True, resolution=(1 / pixel_size_um, 1 / pixel_size_um),
        metadata={"unit": "um", "axes": axes},
    )  # fmt: skip
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write(tmp_path / "image.tif", picture(), "YX")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    return write(tmp_path / "stack.tif", np.stack([picture(n) for n in range(4)]), "TYX")


def call(capfd, *words) -> tuple[int, list[dict], str]:
    code = run(["resolution", *map(str, words), "--json"])
    out, err = capfd.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def table(path: Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def refusal(capfd, *words) -> list[str]:
    """Return the error and the hint; nothing else may have been said."""
    assert run(["resolution", *map(str, words)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith(("error: ", "hint: "))]
    assert len(lines) == 2
    assert lines[0].startswith("error: ")
    assert "bug" not in lines[0]
    assert "Traceback" not in err
    return lines


# --------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("variant", ["1.1.8-nocap", "1.1.8", "1.1.7-2019"])
def test_the_numbers_are_the_plugins(variant, capfd):
    name = f"plugin-{variant}{'-09' if variant.startswith('1.1.7') else ''}"
    expected = {
        row["image"]: row
        for row in table(REFERENCE / "results.csv")
        if row["variant"] == name
        and (row["Nr"], row["Ng"], row["rmin"], row["rmax"]) == ("50", "10", "0.0", "1.0")
    }
    code, rows, _ = call(capfd, REFERENCE, "--version", variant)
    assert code == 0
    assert {Path(row["file"]).name for row in rows} == set(expected)
    for row in rows:
        truth = expected[Path(row["file"]).name]
        assert set(row) >= PROMISED
        assert row["version"] == variant
        assert row["status"] == truth["status"]
        if truth["status"] == "ok":
            assert row["kc"] == pytest.approx(float(truth["kc"]), abs=1e-9)
            assert row["kc_gm"] == pytest.approx(float(truth["kcGM"]), abs=1e-9)
            assert row["a0"] == pytest.approx(float(truth["A0"]), abs=1e-7)
            assert row["resolution_px"] == pytest.approx(2 / row["kc"])
        else:
            assert row["resolution_px"] is None
            assert any("nocap" in warning for warning in row["warnings"]) == (truth["status"] == "crash")


def test_other_parameters(capfd):
    words = [REFERENCE / RING, "--rmin", 0.1, "--rmax", 0.8, "--nr", 40, "--ng", 8]
    _, (row,), _ = call(capfd, *words)
    assert (row["rmin"], row["rmax"], row["n_radii"], row["n_gaussians"]) == (0.1, 0.8, 40, 8)
    _, (default,), _ = call(capfd, REFERENCE / RING)
    assert row["kc"] != default["kc"]


def test_the_pixel_size_is_the_files_or_the_given_one(image, capfd):
    _, (row,), err = call(capfd, image)
    assert err == ""
    assert row["resolution_um"] == pytest.approx(row["resolution_px"] * 0.065, rel=1e-5)
    _, (row,), _ = call(capfd, image, "--pixel-size", 0.1)
    assert row["resolution_um"] == pytest.approx(row["resolution_px"] * 0.1)
    _, (row,), err = call(capfd, REFERENCE / RING)
    assert row["resolution_um"] is row["resolution_nm"] is None
    assert "--pixel-size" in err


def test_a_rectangle_is_a_crop(image, tmp_path, capfd):
    crop = write(tmp_path / "crop.tif", picture()[10:90, 5:85], "YX")
    _, (whole, part), _ = call(capfd, image, crop, "--roi", "0,0,80,80")
    _, (roi,), _ = call(capfd, image, "--roi", "5,10,80,80")
    _, (cropped,), _ = call(capfd, crop)
    assert (roi["kc"], roi["a0"]) == (cropped["kc"], cropped["a0"])
    assert part["a0"] == cropped["a0"] != whole["a0"]


def test_a_colour_picture_is_its_red_channel_with_a_warning(tmp_path, capfd):
    red = np.clip(picture(), 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "red.tif", red)
    other = np.clip(picture(1), 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", np.stack([red, other, other], -1), photometric="rgb")
    code, (grey, rgb), err = call(capfd, tmp_path / "red.tif", tmp_path / "rgb.tif")
    assert code == 0
    assert (rgb["kc"], rgb["a0"]) == (grey["kc"], grey["a0"])
    assert any("red channel" in warning for warning in rgb["warnings"])
    assert "red channel" in err


def test_an_enlarged_image_is_measured_at_native_pixels_unless_told_not_to(tmp_path, capfd):
    native = write(tmp_path / "native.tif", picture(size=128), "YX", 0.06)
    large = write(tmp_path / "large.tif", bicubic_enlarge(picture(size=128), 2), "YX", 0.03)
    _, (first, second), _ = call(capfd, native, large)
    assert (first["enlarged"], second["enlarged"]) == (False, True)
    assert second["resolution_um"] == pytest.approx(first["resolution_um"], rel=0.05)
    assert not second["naive_valid"]
    _, _, _ = call(capfd, large, "--curves", tmp_path / "c.svg")
    text = " ".join(ElementTree.parse(tmp_path / "c.svg").getroot().itertext())
    assert "it was enlarged x2" in text
    assert f"resolution {second['resolution_nm']:.1f} nm" in text
    _, (naive,), _ = call(capfd, large, "--no-guard")
    assert naive["resolution_nm"] == pytest.approx(second["naive_resolution_nm"])
    assert naive["resolution_nm"] < 0.7 * second["resolution_nm"]


# ---------------------------------------------------------------------------------------------- stacks


def test_slice_frame_and_channel_are_true(tmp_path, capfd):
    data = np.stack([picture(n) for n in range(12)])
    path = write(tmp_path / "hyper.tif", data.reshape(2, 3, 2, 96, 96), "TZCYX")
    tables = [tmp_path / "t.csv", tmp_path / "plugin.csv"]
    code, rows, _ = call(capfd, path, "--csv", tables[0], "--plugin-table", tables[1])
    assert code == 0
    places = [(t, z, c) for t in (1, 2) for z in (1, 2, 3) for c in (1, 2)]
    assert [(row["frame"], row["slice"], row["channel"]) for row in rows] == places
    assert [row["plane"] for row in rows] == list(range(1, 13))
    for number in (0, 7):
        _, (alone,), _ = call(capfd, write(tmp_path / f"{number}.tif", data[number], "YX"))
        assert alone["a0"] == rows[number]["a0"]
    ours = table(tables[0])
    assert [float(row["resolution_nm"]) for row in ours] == [row["resolution_nm"] for row in rows]
    assert {"kc", "kc_gm", "a0", "resolution_px", "resolution_um", "pixel_size_um"} <= set(ours[0])
    theirs = table(tables[1])
    assert ",".join(theirs[0]) == "Label,Res.,units,A0,Kc,Kc GM,Slice,Frame,Chanel,rMin,rMax,Nr,Ng"
    found = [tuple(int(row[name]) for name in ("Slice", "Frame", "Chanel")) for row in theirs]
    assert found == sorted((z, t, c) for t, z, c in places)
    by_place = {(row["slice"], row["frame"], row["channel"]): row for row in rows}
    assert [float(row["Kc"]) for row in theirs] == [by_place[place]["kc"] for place in found]


def test_a_numpy_stack_and_a_folder(tmp_path, capfd):
    folder = tmp_path / "images"
    folder.mkdir()
    np.save(folder / "b.npy", np.stack([picture(0), picture(1)]))
    write(folder / "a.tif", picture(2), "YX")
    _, rows, _ = call(capfd, folder)
    assert [(Path(row["file"]).name, row["slice"]) for row in rows] == [
        ("a.tif", 1),
        ("b.npy", 1),
        ("b.npy", 2),
    ]


def test_text_is_a_line_for_each_plane_and_a_summary(stack, capfd):
    assert run(["resolution", str(stack)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].split() == ["resolution", "px", "kc", "kc", "GM", "A0", "image"]
    assert lines[1].endswith(f"{stack}, plane 1")
    assert lines[3].endswith(f"{stack}, plane 3 (frame 3)")
    _, rows, err = call(capfd, stack)
    lengths = [row["resolution_nm"] for row in rows]
    assert f"mean {np.mean(lengths):.1f} ± {np.std(lengths, ddof=1):.1f} nm (SD)" in lines[5]
    assert f"median {np.median(lengths):.1f} nm, n = 4 of 4 planes" in lines[5]
    assert lines[5] in err


def test_processes_give_the_same_rows_in_the_same_order(tmp_path, capfd, monkeypatch):
    from dlsim_ij.resolution_job import job

    path = write(tmp_path / "stack.tif", np.stack([picture(n) for n in range(9)]), "ZYX")
    _, one, _ = call(capfd, path, "--threads", 1)
    monkeypatch.setattr(job, "PROCESSES_FROM_PIXELS", 1)
    used = []
    monkeypatch.setattr(
        job, "map_in_processes", lambda *args: used.append(args[2]) or map_in_processes(*args)
    )
    _, two, _ = call(capfd, path, "--threads", 2)
    assert used == [2]
    assert [row["plane"] for row in two] == list(range(1, 10))
    for first, second in zip(one, two, strict=True):
        assert second["a0"] == pytest.approx(first["a0"], rel=1e-12)
        assert second | {"a0": 0} == first | {"a0": 0}


# ----------------------------------------------------------------------------- what cannot be measured

BAD = {
    "constant": np.full((80, 80), 7, np.uint16),
    "zero": np.zeros((80, 80), np.float32),
    "NaN": np.where(np.eye(80) > 0, np.nan, picture(size=80)).astype(np.float32),
    "one pixel": np.ones((1, 1), np.uint8),
    "long": np.random.default_rng(0).random((3, 100_000), np.float32),
    "complex": np.ones((80, 80), np.complex64),
    "boolean": np.eye(80, dtype=bool),
}


@pytest.mark.parametrize("ending", [".tif", ".npy"])
@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_measured_is_one_line_and_a_hint(kind, ending, tmp_path, capfd):
    path = tmp_path / f"bad{ending}"
    if ending == ".tif":
        tifffile.imwrite(path, BAD[kind])
    else:
        np.save(path, BAD[kind])
    error, _ = refusal(capfd, path, "--csv", tmp_path / "t.csv")
    assert str(path) in error
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_bad_plane_among_others_is_a_row_and_exit_code_1(tmp_path, capfd):
    path = tmp_path / "stack.npy"
    np.save(path, np.stack([picture(0), np.zeros((96, 96)), picture(1)]))
    code, rows, err = call(capfd, path, "--csv", tmp_path / "t.csv", "--plugin-table", tmp_path / "p.csv")
    assert code == 1
    assert [row["status"] for row in rows] == ["ok", "refused", "ok"]
    assert all(set(row) >= PROMISED for row in rows)
    assert "constant" in rows[1]["error"]
    assert f"error: {path}, plane 2 (slice 2): the image is constant" in err
    assert [row["status"] for row in table(tmp_path / "t.csv")] == ["ok", "refused", "ok"]
    assert [row["Slice"] for row in table(tmp_path / "p.csv")] == ["1", "3"]


def test_an_unreadable_file_among_others_is_an_error_and_the_rest_is_done(image, tmp_path, capfd):
    (tmp_path / "text.tif").write_text("hello")
    code, rows, err = call(capfd, tmp_path / "text.tif", image)
    assert code == 1
    assert [row["file"] for row in rows] == [str(image)]
    assert "text.tif is a text file" in err


def test_a_plane_without_a_peak_is_a_finding(capfd):
    code, (row,), err = call(capfd, REFERENCE / "noise256.tif", "--pixel-size", 0.1)
    assert code == 0
    assert (row["status"], row["resolution_um"], row["kc"]) == ("no-peak", None, 0)
    assert "warning: " in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--roi", "50,0,47,96"], "reaches beyond"),
        (["--roi", "1,2,3"], "is not a rectangle"),
        (["--roi", "0,0,0,5"], "lies in no image"),
        (["--roi", "0,0,5,5"], "too few"),
        (["--version", "1.1"], "1.1.8-nocap"),
        (["--rmin", "0.5", "--rmax", "0.5"], "radii"),
        (["--rmax", "1.5"], "1.5"),
        (["--nr", "9"], "9"),
        (["--ng", "4"], "4"),
        (["--pixel-size", "65"], "65"),
        (["--curves", "c.jpg"], "'.jpg'"),
        (["--curves", "none/c.svg"], "does not exist"),
        (["--csv", "none/c.csv"], "does not exist"),
        (["--csv", "c.csv", "--plugin-table", "c.csv"], "used twice"),
        (["--csv", "image.tif", "--overwrite"], "used twice"),
        (["--align"], "one is given"),
        (["--gain", "2", "--spread", "5"], "belong together"),
        (["--gain", "2", "--offset", "100"], "--spread and --frc only"),
        (["--spread", "4"], "4"),
        (["--sectors", "0"], "0"),
        (["--map", "m.png"], "'.png'"),
        (["--map", "none/m.tif"], "does not exist"),
        (["--map", "m.tif", "--tile", "63"], "63"),
        (["--pair", "small.tif"], "96 x 96"),
        (["--pair", "missing.tif"], "does not exist"),
        (["image.tif", "--pair", "image.tif"], "goes with one image"),
    ],
)
def test_wrong_options_are_one_line_and_a_hint(words, message, image, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "small.tif", picture(size=64), "YX")
    before = sorted(tmp_path.iterdir())
    error, _ = refusal(capfd, "image.tif", *words)
    assert message in error
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_is_overwritten_unasked(image, tmp_path, capfd):
    for option, name in (("--csv", "t.csv"), ("--plugin-table", "p.csv"), ("--curves", "c.svg")):
        (tmp_path / name).write_text("mine")
        error, _ = refusal(capfd, image, option, tmp_path / name)
        assert "exists already" in error
        assert (tmp_path / name).read_text() == "mine"
        assert run(["resolution", str(image), option, str(tmp_path / name), "--overwrite"]) == 0
        assert (tmp_path / name).read_text() != "mine"
        capfd.readouterr()


def test_a_dry_run_writes_nothing(stack, tmp_path, capfd):
    words = ["--csv", tmp_path / "t.csv", "--curves", tmp_path / "c.svg", "--dry-run"]
    code, (row,), _ = call(capfd, stack, *words)
    assert code == 0
    assert row["planes"] == 4
    assert row["outputs"] == [
        str(tmp_path / n) for n in ("t.csv", *(f"c_p{k:03d}.svg" for k in (1, 2, 3, 4)))
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["stack.tif"]


# ----------------------------------------------------------- directions, map, spread


def streaks(tmp_path: Path) -> Path:
    """Detail along y (down) only half as fine as along x."""
    rng = np.random.default_rng(3)
    points = (rng.random((256, 256)) > 0.97).astype(float)
    light = 4000 * ndimage.gaussian_filter(points, (3, 1.2)) + 10
    return write(tmp_path / "streaks.tif", rng.poisson(light).astype(np.float32), "YX")


def test_sectors_tell_the_coarser_direction(tmp_path, capfd):
    path = streaks(tmp_path)
    _, (row,), _ = call(capfd, path, "--sectors", 4, "--csv", tmp_path / "t.csv")
    found = row["directions"]
    assert found["angles_deg"] == [0, 45, 90, 135]
    assert (found["best_angle_deg"], found["worst_angle_deg"]) == (0, 90)
    assert found["resolution_nm"][2] > 1.5 * found["resolution_nm"][0]
    (cells,) = table(tmp_path / "t.csv")
    assert float(cells["resolution_90deg_nm"]) == found["resolution_nm"][2]
    assert float(cells["resolution_0deg_px"]) == found["resolution_px"][0]
    assert float(cells["anisotropy"]) == found["anisotropy"]
    assert float(cells["kc"]) == row["kc"]
    assert run(["resolution", str(path), "--sectors", "4"]) == 0
    assert f"{found['anisotropy']:.2f}" in capfd.readouterr().out


def test_sectors_of_an_enlarged_image_are_in_pixels_of_the_image(tmp_path, capfd):
    native = write(tmp_path / "native.tif", picture(size=128), "YX", 0.06)
    large = write(tmp_path / "large.tif", bicubic_enlarge(picture(size=128), 2), "YX", 0.03)
    _, (first, second), _ = call(capfd, native, large, "--sectors", 2)
    assert second["enlarged"]
    one, other = first["directions"], second["directions"]
    assert other["resolution_nm"] == pytest.approx(one["resolution_nm"], rel=0.05)
    assert other["resolution_px"] == pytest.approx([2 * px for px in one["resolution_px"]], rel=0.05)


def test_a_map_is_an_image_with_its_own_pixel_size(tmp_path, capfd):
    rng = np.random.default_rng(4)
    points = (rng.random((256, 256)) > 0.98).astype(float)
    light = np.where(
        np.arange(256) < 128, ndimage.gaussian_filter(points, 1.2), ndimage.gaussian_filter(points, 3)
    )
    path = write(tmp_path / "two.tif", rng.poisson(4000 * light + 10).astype(np.float32), "YX", 0.05)
    words = [path, "--map", tmp_path / "m.tif", "--tile", 128]
    _, (row,), _ = call(capfd, *words)
    from dlsim_ij.images import read_image

    written = read_image(tmp_path / "m.tif")
    assert written.shape == (3, 3)
    assert written.attrs["pixel_size_um"] == pytest.approx(64 * 0.05)
    assert written.values[:, 2].min() > 1.3 * written.values[:, 0].max()
    assert row["map"]["unit"] == "nm"
    assert row["map"]["n_tiles"] == 9
    assert row["map"]["median"] == pytest.approx(np.median(written.values))
    error, _ = refusal(capfd, *words)
    assert "exists already" in error
    code, (row,), err = call(capfd, path, "--map", tmp_path / "n.tif", "--tile", 300)
    assert code == 0
    assert row["map"] is None
    assert "no map" in err


def test_the_maps_of_a_stack_are_a_file_for_each_plane(tmp_path, capfd):
    path = write(tmp_path / "stack.tif", np.stack([picture(n) for n in range(2)]), "ZYX")
    call(capfd, path, "--map", tmp_path / "m.tif", "--tile", 64, "--curves", tmp_path / "c.svg")
    names = {one.name for one in tmp_path.iterdir()}
    assert names == {"stack.tif", "m_p001.tif", "m_p002.tif", "c_p001.svg", "c_p002.svg"}


def test_a_spread_is_an_error_bar_or_why_there_is_none(tmp_path, capfd):
    path, _ = noisy_pair(tmp_path)
    words = [path, "--spread", 6, "--csv", tmp_path / "t.csv", "--overwrite"]
    _, (row,), _ = call(capfd, *words)
    assert row["spread"]["n"] == 6
    assert row["spread"]["unit"] == "nm"
    assert 0 < row["spread"]["sd"] < row["resolution_nm"]
    (cells,) = table(tmp_path / "t.csv")
    assert float(cells["spread_sd"]) == row["spread"]["sd"]
    _, (again,), _ = call(capfd, *words, "--seed", 1)
    assert again["spread"]["sd"] != row["spread"]["sd"]
    _, (camera,), _ = call(capfd, *words, "--gain", 1, "--offset", 0)
    assert camera["spread"]["n"] == 6
    smooth = write(tmp_path / "s.tif", ndimage.gaussian_filter(tifffile.imread(path), 1), "YX")
    code, (row,), err = call(capfd, smooth, "--spread", 6, "--no-guard")
    assert code == 0
    assert row["spread"] is None
    assert "no spread" in err


# ----------------------------------------------------------------------------------------- curves, FRC


def test_the_curves_of_an_image_are_a_drawing_of_its_own(image, tmp_path, capfd):
    path = tmp_path / "c.svg"
    _, (row,), _ = call(capfd, image, "--curves", path)
    text = " ".join(ElementTree.parse(path).getroot().itertext())
    assert "image.tif" in text
    assert f"resolution {row['resolution_nm']:.1f} nm" in text
    assert f"kc {row['kc']:.4f}" in text
    assert f"A0 {row['a0']:.4f}" in text
    assert "period in nm" in text
    before = path.read_bytes()
    assert run(["resolution", str(image), "--curves", str(path), "--overwrite", "-q"]) == 0
    assert path.read_bytes() == before


def test_the_curves_of_a_stack_are_a_file_for_each_plane(stack, tmp_path, capfd):
    call(capfd, stack, "--curves", tmp_path / "c.png")
    found = sorted(path.name for path in tmp_path.glob("c*"))
    assert found == [f"c_p{number:03d}.png" for number in (1, 2, 3, 4)]
    assert (tmp_path / found[0]).read_bytes().startswith(b"\x89PNG")


def noisy_pair(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(5)
    light = 400 * ndimage.gaussian_filter((rng.random((128, 128)) > 0.95).astype(float), 1.5) + 5
    return tuple(
        write(tmp_path / f"{name}.tif", rng.poisson(light).astype(np.float32), "YX") for name in "ab"
    )


def test_a_pair_adds_its_fourier_ring_correlation(tmp_path, capfd):
    from dlsim_ij.quality.frc import frc_resolution

    first, second = noisy_pair(tmp_path)
    _, (row,), _ = call(capfd, first, "--pair", second, "--csv", tmp_path / "t.csv")
    expected = frc_resolution(tifffile.imread(first), tifffile.imread(second), pixel_size_um=0.065)
    assert expected.status == row["frc"]["status"] == "ok"
    assert row["frc"]["resolution_px"] == pytest.approx(expected.resolution_px)
    (cells,) = table(tmp_path / "t.csv")
    assert float(cells["frc_resolution_um"]) == pytest.approx(expected.resolution_um, rel=1e-5)
    _, (half_bit,), _ = call(capfd, first, "--pair", second, "--frc-threshold", "half-bit")
    assert half_bit["frc"]["resolution_px"] != row["frc"]["resolution_px"]
    assert run(["resolution", str(first), "--pair", str(second)]) == 0
    out = capfd.readouterr().out.splitlines()
    assert "FRC" in out[0]
    assert f"{1000 * expected.resolution_um:.1f} nm" in out[1]


def test_the_frc_of_one_image_or_why_there_is_none(tmp_path, capfd):
    first, _ = noisy_pair(tmp_path)
    _, (row,), _ = call(capfd, first, "--frc")
    assert row["frc"]["method"] == "binomial-split"
    smooth = write(tmp_path / "s.tif", ndimage.gaussian_filter(tifffile.imread(first), 1), "YX")
    code, (row,), err = call(capfd, smooth, "--frc", "--no-guard")
    assert code == 0
    assert row["frc"] is None
    assert any(warning.startswith("no FRC: ") for warning in row["warnings"])
    assert "no FRC" in err


# ---------------------------------------------------------------------------------------- interruption


def big_stack(tmp_path: Path, n_planes: int = 30) -> Path:
    planes = np.stack([picture(n, 512) for n in range(4)])
    path = tmp_path / "big.npy"
    np.save(path, planes[np.arange(n_planes) % 4])
    return path


def interrupt(words: list[str], after: Path, number: int) -> tuple[int, str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dlsim_ij", "resolution", *words], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (after.exists() and after.read_bytes().count(b"\n") > 3) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, number)  # as Ctrl-C does: to the command and its processes
    _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.parametrize("threads", ["1", "2"])
def test_ctrl_c_leaves_a_valid_table_that_a_second_call_completes(threads, tmp_path, capfd):
    path = big_stack(tmp_path)
    partial, journal = tmp_path / "t.partial.csv", tmp_path / "t.partial.jsonl"
    words = [str(path), "--csv", str(tmp_path / "t.csv"), "--pixel-size", "0.065", "--threads", threads]
    code, err = interrupt(words, partial, signal.SIGINT)
    assert code == 130
    assert "Traceback" not in err
    done = table(partial)
    assert 3 <= len(done) < 30
    assert f"interrupted: {len(done)} of 30 planes are in {partial}; the same command goes on" in err
    assert not (tmp_path / "t.csv").exists()

    error, _ = refusal(capfd, *words, "--nr", "40")
    assert "n_radii 50, not 40" in error
    # a mark that only survives if the finished planes are not measured again
    lines = journal.read_text().splitlines()
    marked = json.loads(lines[1]) | {"label": "from before"}
    journal.write_text("\n".join([lines[0], json.dumps(marked), *lines[2:]]) + "\n")
    code, rows, err = call(capfd, *words)
    assert code == 0
    assert f"going on: {len(done)} of 30 planes are done" in err
    assert [row["plane"] for row in rows] == list(range(1, 31))
    finished = table(tmp_path / "t.csv")
    assert finished[0]["label"] == "from before"
    assert finished[1 : len(done)] == done[1:]
    assert [row["plane"] for row in finished] == [str(n) for n in range(1, 31)]
    assert finished[4]["kc"] == finished[28]["kc"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["big.npy", "t.csv"]


def test_a_terminated_run_goes_on_too(tmp_path, capfd):
    path = big_stack(tmp_path)
    words = [str(path), "--csv", str(tmp_path / "t.csv")]
    code, _ = interrupt(words, tmp_path / "t.partial.csv", signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert len(table(tmp_path / "t.partial.csv")) >= 3
    code, rows, err = call(capfd, *words)
    assert code == 0
    assert "going on: " in err
    assert len(rows) == len(table(tmp_path / "t.csv")) == 30


def stop_after(n_planes: int, words: list[str], monkeypatch) -> None:
    from dlsim_ij.cli import options

    def stop(row, *_):
        if row["plane"] == n_planes:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(options, "print_result", stop)
        assert run(["resolution", *words]) == 130


def test_a_changed_file_does_not_go_on(stack, tmp_path, capfd, monkeypatch):
    words = [str(stack), "--csv", str(tmp_path / "t.csv")]
    stop_after(3, words, monkeypatch)
    assert len(table(tmp_path / "t.partial.csv")) == 3
    os.utime(stack, ns=(0, 10**18))
    error, hint = refusal(capfd, *words)
    assert str(stack) in error
    assert "--overwrite" in hint
    code, rows, err = call(capfd, *words, "--overwrite")
    assert (code, len(rows)) == (0, 4)
    assert "going on" not in err


def test_drawings_of_others_are_kept_and_those_of_the_interrupted_run_replaced(
    stack, tmp_path, capfd, monkeypatch
):
    words = [str(stack), "--csv", str(tmp_path / "t.csv"), "--curves", str(tmp_path / "c.svg")]
    (tmp_path / "c_p003.svg").write_text("mine")
    error, _ = refusal(capfd, *words)
    assert "c_p003.svg exists already" in error
    assert {one.name for one in tmp_path.iterdir()} == {"stack.tif", "c_p003.svg"}
    (tmp_path / "c_p003.svg").unlink()
    stop_after(2, words, monkeypatch)
    (tmp_path / "c_p003.svg").write_text("drawn by the process that was interrupted")
    code, rows, _ = call(capfd, *words)
    assert (code, len(rows)) == (0, 4)
    assert "</svg>" in (tmp_path / "c_p003.svg").read_text()


def test_ctrl_c_without_a_table_leaves_nothing(tmp_path):
    path = big_stack(tmp_path)
    out = tmp_path / "out.jsonl"
    with open(out, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dlsim_ij", "resolution", str(path), "--json"], stdout=file,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
    until = time.monotonic() + 60
    while out.read_bytes().count(b"\n") < 2 and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["big.npy", "out.jsonl"]
    assert [json.loads(line)["plane"] for line in out.read_text().splitlines()][:2] == [1, 2]


@pytest.mark.sample
def test_the_public_sample(sample_dir, capfd):
    images = sample_dir / "microtuble"
    files = [images / "HER" / "Sample_1.tif", images / "HE_X2" / "Sample_1" / "HE_00.tif"]
    code, (her, raw), _ = call(capfd, *files, "--pixel-size", 0.03)
    assert code == 0
    assert her["resolution_nm"] == pytest.approx(173, abs=1)
    assert raw["enlarged"]
    assert raw["resolution_nm"] > 200
