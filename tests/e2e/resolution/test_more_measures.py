"""``dlsim resolution`` beyond one number: directions, maps, error bars, curves, Fourier ring correlation."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.cli.main import run
from dlsim_ij.images import bicubic_enlarge, read_image
from dlsim_ij.quality.frc import frc_resolution


@pytest.fixture
def streaks(tmp_path: Path, write) -> Path:
    """Detail along y (down) only half as fine as along x."""
    rng = np.random.default_rng(3)
    points = (rng.random((256, 256)) > 0.97).astype(float)
    light = 4000 * ndimage.gaussian_filter(points, (3, 1.2)) + 10
    return write(tmp_path / "streaks.tif", rng.poisson(light).astype(np.float32), "YX")


def test_sectors_tell_the_coarser_direction(tmp_path, capfd, call, table, streaks):
    _, (row,), _ = call(streaks, "--sectors", 4, "--csv", tmp_path / "t.csv")
    found = row["directions"]
    assert found["angles_deg"] == [0, 45, 90, 135]
    assert (found["best_angle_deg"], found["worst_angle_deg"]) == (0, 90)
    assert found["resolution_nm"][2] > 1.5 * found["resolution_nm"][0]
    (cells,) = table(tmp_path / "t.csv")
    assert float(cells["resolution_90deg_nm"]) == found["resolution_nm"][2]
    assert float(cells["resolution_0deg_px"]) == found["resolution_px"][0]
    assert float(cells["anisotropy"]) == found["anisotropy"]
    assert float(cells["kc"]) == row["kc"]
    assert run(["resolution", str(streaks), "--sectors", "4"]) == 0
    assert f"{found['anisotropy']:.2f}" in capfd.readouterr().out


def test_sectors_of_an_enlarged_image_are_in_pixels_of_the_image(tmp_path, picture, write, call):
    native = write(tmp_path / "native.tif", picture(size=128), "YX", 0.06)
    large = write(tmp_path / "large.tif", bicubic_enlarge(picture(size=128), 2), "YX", 0.03)
    _, (first, second), _ = call(native, large, "--sectors", 2)
    assert second["enlarged"]
    one, other = first["directions"], second["directions"]
    assert other["resolution_nm"] == pytest.approx(one["resolution_nm"], rel=0.05)
    assert other["resolution_px"] == pytest.approx([2 * px for px in one["resolution_px"]], rel=0.05)


def test_a_map_is_an_image_with_its_own_pixel_size(tmp_path, write, call, refusal):
    rng = np.random.default_rng(4)
    points = (rng.random((256, 256)) > 0.98).astype(float)
    light = np.where(
        np.arange(256) < 128, ndimage.gaussian_filter(points, 1.2), ndimage.gaussian_filter(points, 3)
    )
    path = write(tmp_path / "two.tif", rng.poisson(4000 * light + 10).astype(np.float32), "YX", 0.05)
    words = [path, "--map", tmp_path / "m.tif", "--tile", 128]
    _, (row,), _ = call(*words)
    written = read_image(tmp_path / "m.tif")
    assert written.shape == (3, 3)
    assert written.attrs["pixel_size_um"] == pytest.approx(64 * 0.05)
    assert written.values[:, 2].min() > 1.3 * written.values[:, 0].max()
    assert row["map"]["unit"] == "nm"
    assert row["map"]["n_tiles"] == 9
    assert row["map"]["median"] == pytest.approx(np.median(written.values))
    error, _ = refusal(*words)
    assert "exists already" in error
    code, (row,), err = call(path, "--map", tmp_path / "n.tif", "--tile", 300)
    assert code == 0
    assert row["map"] is None
    assert "no map" in err


def test_the_maps_of_a_stack_are_a_file_for_each_plane(tmp_path, picture, write, call):
    path = write(tmp_path / "stack.tif", np.stack([picture(n) for n in range(2)]), "ZYX")
    call(path, "--map", tmp_path / "m.tif", "--tile", 64, "--curves", tmp_path / "c.svg")
    names = {one.name for one in tmp_path.iterdir()}
    assert names == {"stack.tif", "m_p001.tif", "m_p002.tif", "c_p001.svg", "c_p002.svg"}


def test_a_spread_is_an_error_bar_or_why_there_is_none(tmp_path, write, call, table, noisy_pair):
    path, _ = noisy_pair
    words = [path, "--spread", 6, "--csv", tmp_path / "t.csv", "--overwrite"]
    _, (row,), _ = call(*words)
    assert row["spread"]["n"] == 6
    assert row["spread"]["unit"] == "nm"
    assert 0 < row["spread"]["sd"] < row["resolution_nm"]
    (cells,) = table(tmp_path / "t.csv")
    assert float(cells["spread_sd"]) == row["spread"]["sd"]
    _, (again,), _ = call(*words, "--seed", 1)
    assert again["spread"]["sd"] != row["spread"]["sd"]
    _, (camera,), _ = call(*words, "--gain", 1, "--offset", 0)
    assert camera["spread"]["n"] == 6
    smooth = write(tmp_path / "s.tif", ndimage.gaussian_filter(tifffile.imread(path), 1), "YX")
    code, (row,), err = call(smooth, "--spread", 6, "--no-guard")
    assert code == 0
    assert row["spread"] is None
    assert "no spread" in err


def test_the_curves_of_an_image_are_a_drawing_of_its_own(image, tmp_path, call):
    path = tmp_path / "c.svg"
    _, (row,), _ = call(image, "--curves", path)
    text = " ".join(ElementTree.parse(path).getroot().itertext())
    assert "image.tif" in text
    assert f"resolution {row['resolution_nm']:.1f} nm" in text
    assert f"kc {row['kc']:.4f}" in text
    assert f"A0 {row['a0']:.4f}" in text
    assert "period in nm" in text
    before = path.read_bytes()
    assert run(["resolution", str(image), "--curves", str(path), "--overwrite", "-q"]) == 0
    assert path.read_bytes() == before


def test_the_curves_of_a_stack_are_a_file_for_each_plane(stack, tmp_path, call):
    call(stack, "--curves", tmp_path / "c.png")
    found = sorted(path.name for path in tmp_path.glob("c*"))
    assert found == [f"c_p{number:03d}.png" for number in (1, 2, 3, 4)]
    assert (tmp_path / found[0]).read_bytes().startswith(b"\x89PNG")


def test_a_pair_adds_its_fourier_ring_correlation(tmp_path, capfd, call, table, noisy_pair):
    first, second = noisy_pair
    _, (row,), _ = call(first, "--pair", second, "--csv", tmp_path / "t.csv")
    expected = frc_resolution(tifffile.imread(first), tifffile.imread(second), pixel_size_um=0.065)
    assert expected.status == row["frc"]["status"] == "ok"
    assert row["frc"]["resolution_px"] == pytest.approx(expected.resolution_px)
    (cells,) = table(tmp_path / "t.csv")
    assert float(cells["frc_resolution_um"]) == pytest.approx(expected.resolution_um, rel=1e-5)
    _, (half_bit,), _ = call(first, "--pair", second, "--frc-threshold", "half-bit")
    assert half_bit["frc"]["resolution_px"] != row["frc"]["resolution_px"]
    assert run(["resolution", str(first), "--pair", str(second)]) == 0
    out = capfd.readouterr().out.splitlines()
    assert "FRC" in out[0]
    assert f"{1000 * expected.resolution_um:.1f} nm" in out[1]


def test_the_frc_of_one_image_or_why_there_is_none(tmp_path, write, call, noisy_pair):
    first, _ = noisy_pair
    _, (row,), _ = call(first, "--frc")
    assert row["frc"]["method"] == "binomial-split"
    smooth = write(tmp_path / "s.tif", ndimage.gaussian_filter(tifffile.imread(first), 1), "YX")
    code, (row,), err = call(smooth, "--frc", "--no-guard")
    assert code == 0
    assert row["frc"] is None
    assert any(warning.startswith("no FRC: ") for warning in row["warnings"])
    assert "no FRC" in err
