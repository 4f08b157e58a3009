"""``dlsim resolution``: its numbers are the plugin's, of one image and of stacks."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from dlsim_ij.cli.main import run
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.processes import map_in_processes
from dlsim_ij.resolution_job import job

REFERENCE = Path(__file__).parents[2] / "reference" / "decorrelation"
RING = "fil256_s2.tif"


@pytest.mark.parametrize("variant", ["1.1.8-nocap", "1.1.8", "1.1.7-2019"])
def test_the_numbers_are_the_plugins(variant, call, table, promised):
    name = f"plugin-{variant}{'-09' if variant.startswith('1.1.7') else ''}"
    expected = {
        row["image"]: row
        for row in table(REFERENCE / "results.csv")
        if row["variant"] == name
        and (row["Nr"], row["Ng"], row["rmin"], row["rmax"]) == ("50", "10", "0.0", "1.0")
    }
    code, rows, _ = call(REFERENCE, "--version", variant)
    assert code == 0
    assert {Path(row["file"]).name for row in rows} == set(expected)
    for row in rows:
        truth = expected[Path(row["file"]).name]
        assert set(row) >= promised
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


def test_other_parameters(call):
    words = [REFERENCE / RING, "--rmin", 0.1, "--rmax", 0.8, "--nr", 40, "--ng", 8]
    _, (row,), _ = call(*words)
    assert (row["rmin"], row["rmax"], row["n_radii"], row["n_gaussians"]) == (0.1, 0.8, 40, 8)
    _, (default,), _ = call(REFERENCE / RING)
    assert row["kc"] != default["kc"]


def test_the_pixel_size_is_the_files_or_the_given_one(image, call):
    _, (row,), err = call(image)
    assert err == ""
    assert row["resolution_um"] == pytest.approx(row["resolution_px"] * 0.065, rel=1e-5)
    _, (row,), _ = call(image, "--pixel-size", 0.1)
    assert row["resolution_um"] == pytest.approx(row["resolution_px"] * 0.1)
    _, (row,), err = call(REFERENCE / RING)
    assert row["resolution_um"] is row["resolution_nm"] is None
    assert "--pixel-size" in err


def test_a_rectangle_is_a_crop(image, tmp_path, picture, write, call):
    crop = write(tmp_path / "crop.tif", picture()[10:90, 5:85], "YX")
    _, (whole, part), _ = call(image, crop, "--roi", "0,0,80,80")
    _, (roi,), _ = call(image, "--roi", "5,10,80,80")
    _, (cropped,), _ = call(crop)
    assert (roi["kc"], roi["a0"]) == (cropped["kc"], cropped["a0"])
    assert part["a0"] == cropped["a0"] != whole["a0"]


def test_a_colour_picture_is_its_red_channel_with_a_warning(tmp_path, picture, call):
    red = np.clip(picture(), 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "red.tif", red)
    other = np.clip(picture(1), 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", np.stack([red, other, other], -1), photometric="rgb")
    code, (grey, rgb), err = call(tmp_path / "red.tif", tmp_path / "rgb.tif")
    assert code == 0
    assert (rgb["kc"], rgb["a0"]) == (grey["kc"], grey["a0"])
    assert any("red channel" in warning for warning in rgb["warnings"])
    assert "red channel" in err


def test_an_enlarged_image_is_measured_at_native_pixels_unless_told_not_to(tmp_path, picture, write, call):
    native = write(tmp_path / "native.tif", picture(size=128), "YX", 0.06)
    large = write(tmp_path / "large.tif", bicubic_enlarge(picture(size=128), 2), "YX", 0.03)
    _, (first, second), _ = call(native, large)
    assert (first["enlarged"], second["enlarged"]) == (False, True)
    assert second["resolution_um"] == pytest.approx(first["resolution_um"], rel=0.05)
    assert not second["naive_valid"]
    _, _, _ = call(large, "--curves", tmp_path / "c.svg")
    text = " ".join(ElementTree.parse(tmp_path / "c.svg").getroot().itertext())
    assert "it was enlarged x2" in text
    assert f"resolution {second['resolution_nm']:.1f} nm" in text
    _, (naive,), _ = call(large, "--no-guard")
    assert naive["resolution_nm"] == pytest.approx(second["naive_resolution_nm"])
    assert naive["resolution_nm"] < 0.7 * second["resolution_nm"]


def test_slice_frame_and_channel_are_true(tmp_path, picture, write, call, table):
    data = np.stack([picture(n) for n in range(12)])
    path = write(tmp_path / "hyper.tif", data.reshape(2, 3, 2, 96, 96), "TZCYX")
    tables = [tmp_path / "t.csv", tmp_path / "plugin.csv"]
    code, rows, _ = call(path, "--csv", tables[0], "--plugin-table", tables[1])
    assert code == 0
    places = [(t, z, c) for t in (1, 2) for z in (1, 2, 3) for c in (1, 2)]
    assert [(row["frame"], row["slice"], row["channel"]) for row in rows] == places
    assert [row["plane"] for row in rows] == list(range(1, 13))
    for number in (0, 7):
        _, (alone,), _ = call(write(tmp_path / f"{number}.tif", data[number], "YX"))
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


def test_a_numpy_stack_and_a_folder(tmp_path, picture, write, call):
    folder = tmp_path / "images"
    folder.mkdir()
    np.save(folder / "b.npy", np.stack([picture(0), picture(1)]))
    write(folder / "a.tif", picture(2), "YX")
    _, rows, _ = call(folder)
    assert [(Path(row["file"]).name, row["slice"]) for row in rows] == [
        ("a.tif", 1),
        ("b.npy", 1),
        ("b.npy", 2),
    ]


def test_text_is_a_line_for_each_plane_and_a_summary(stack, capfd, call):
    assert run(["resolution", str(stack)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].split() == ["resolution", "px", "kc", "kc", "GM", "A0", "image"]
    assert lines[1].endswith(f"{stack}, plane 1")
    assert lines[3].endswith(f"{stack}, plane 3 (frame 3)")
    _, rows, err = call(stack)
    lengths = [row["resolution_nm"] for row in rows]
    assert f"mean {np.mean(lengths):.1f} ± {np.std(lengths, ddof=1):.1f} nm (SD)" in lines[5]
    assert f"median {np.median(lengths):.1f} nm, n = 4 of 4 planes" in lines[5]
    assert lines[5] in err


def test_processes_give_the_same_rows_in_the_same_order(tmp_path, monkeypatch, picture, write, call):
    path = write(tmp_path / "stack.tif", np.stack([picture(n) for n in range(9)]), "ZYX")
    _, one, _ = call(path, "--threads", 1)
    monkeypatch.setattr(job, "PROCESSES_FROM_PIXELS", 1)
    used = []
    monkeypatch.setattr(
        job, "map_in_processes", lambda *args: used.append(args[2]) or map_in_processes(*args)
    )
    _, two, _ = call(path, "--threads", 2)
    assert used == [2]
    assert [row["plane"] for row in two] == list(range(1, 10))
    for first, second in zip(one, two, strict=True):
        assert second["a0"] == pytest.approx(first["a0"], rel=1e-12)
        assert second | {"a0": 0} == first | {"a0": 0}


def test_a_plane_without_a_peak_is_a_finding(call):
    code, (row,), err = call(REFERENCE / "noise256.tif", "--pixel-size", 0.1)
    assert code == 0
    assert (row["status"], row["resolution_um"], row["kc"]) == ("no-peak", None, 0)
    assert "warning: " in err


@pytest.mark.sample
def test_the_public_sample(sample_dir, call):
    images = sample_dir / "microtuble"
    files = [images / "HER" / "Sample_1.tif", images / "HE_X2" / "Sample_1" / "HE_00.tif"]
    code, (her, raw), _ = call(*files, "--pixel-size", 0.03)
    assert code == 0
    assert her["resolution_nm"] == pytest.approx(173, abs=1)
    assert raw["enlarged"]
    assert raw["resolution_nm"] > 200
