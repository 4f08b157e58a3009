"""`dlsim predict` in blocks and stack by stack, through the command, with a small network."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

import dlsim_ij as dlsim
from dlsim_ij import files
from dlsim_ij.bundles import save_bundle
from dlsim_ij.cli.main import run
from dlsim_ij.inference import load_model
from dlsim_ij.large_fields import field, plan, stream
from dlsim_ij.networks import create_network
from dlsim_ij.simulation import draw_structure, paper_conditions, simulate_sim

HEIGHT, WIDTH = 256, 320


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A network as sim15 is, with the width of a finger: what is tested does not depend on its weights."""
    torch.manual_seed(0)
    options = {"in_channels": 11, "width": 4, "images": 2, "interval": True}
    card = load_model("sim15").card.model_dump(exclude={"weights_sha256"})
    card |= {"name": "small", "architecture": {"name": "native", "options": options}}
    folder = tmp_path_factory.mktemp("model") / "small"
    network = create_network("native", **options)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():  # the last layer of an untrained network
                parameter.normal_(0, 0.1)
    save_bundle(folder, network, card)
    return folder


@pytest.fixture(scope="module")
def raw() -> np.ndarray:
    rng = np.random.default_rng(3)
    conditions = paper_conditions(rng, photons=(300, 300))
    density = draw_structure("microtubules", (2 * HEIGHT, 2 * WIDTH), 0.03, rng)
    return simulate_sim(density, conditions, rng).raw


@pytest.fixture
def predict(tmp_path, model, capfd):
    def call(path: Path, *words: str, out: str = "out") -> tuple[int, dict | str, str]:
        words = ("predict", str(path), "-o", str(tmp_path / out), "--model", str(model), "--json", *words)
        capfd.readouterr()
        code = run([*words, "--threads", "1"])
        text = capfd.readouterr()
        return code, json.loads(text.out) if text.out else text.err, text.err

    return call


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return 20 * np.log10(np.ptp(truth) / np.sqrt(((image - truth) ** 2).mean()))


def seam(image: np.ndarray, every: int) -> float:
    """Return the mean step across borders of blocks over that across any two rows or columns."""
    ratios = []
    for turned in (image, image.T):
        steps = np.abs(np.diff(turned, axis=0)).mean(axis=1)
        ratios.append(steps[every - 1 :: every].mean() / steps.mean())
    return max(ratios)


def test_a_field_in_blocks_is_the_field(tmp_path, raw, predict):
    path = dlsim.write_image(tmp_path / "cell.tif", raw, pixel_size_um=0.06)
    code, row, _ = predict(path, "--block-px", "128", "--uncertainty")
    assert code == 0
    assert row["output"] == str(tmp_path / "out" / "cell_sr.ome.tif")
    assert row["warnings"] == []
    _, whole, _ = predict(path, "--uncertainty", out="whole")
    for role, least in (("output", 50), ("uncertainty", 45)):
        image, truth = (dlsim.read_image(one[role]) for one in (row, whole))
        assert image.shape == truth.shape == (2 * HEIGHT, 2 * WIDTH)
        assert image.attrs["pixel_size_um"] == pytest.approx(0.03)
        assert psnr(image.values, truth.values) > least
        assert seam(image.values, 256) == pytest.approx(seam(truth.values, 256), rel=0.02)
    with tifffile.TiffFile(row["output"]) as tiff:
        assert tiff.is_bigtiff
        assert tiff.is_ome
        assert tiff.pages[0].is_tiled
    # the same again is the same to the last byte
    _, again, _ = predict(path, "--block-px", "128", "--uncertainty", out="again")
    for role in ("output", "uncertainty"):
        assert Path(again[role]).read_bytes() == Path(row[role]).read_bytes()


def test_compressed_tiles_and_a_dark_half(tmp_path, raw, predict):
    dark = raw.copy()
    rng = np.random.default_rng(0)
    dark[:, :, 160:] = rng.poisson(4, dark[:, :, 160:].shape) + np.percentile(raw, 0.1).astype(int)
    tifffile.imwrite(tmp_path / "dark.tif", dark, tile=(64, 64), compression="zlib", photometric="minisblack")
    words = "--block-px", "96", "--pixel-size", "0.06"
    code, row, _ = predict(tmp_path / "dark.tif", *words)
    assert code == 0
    _, whole, _ = predict(tmp_path / "dark.tif", "--pixel-size", "0.06", out="whole")
    image, truth = (dlsim.read_image(one["output"]).values for one in (row, whole))
    assert psnr(image, truth) > 50


def test_zarr_in_and_out(tmp_path, raw, predict):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(tmp_path / "cell.zarr", shape=raw.shape, dtype="uint16", chunks=(1, 64, 64))
    array[...] = raw
    code, row, _ = predict(tmp_path / "cell.zarr", "--block-px", "128", "--pixel-size", "0.06", "--ome-zarr")
    assert code == 0
    assert row["output"] == str(tmp_path / "out" / "cell_sr.ome.zarr")
    path = dlsim.write_image(tmp_path / "cell.tif", raw, pixel_size_um=0.06)
    _, other, _ = predict(path, "--block-px", "128", out="other")
    image, same = (dlsim.read_image(one["output"]) for one in (row, other))
    np.testing.assert_array_equal(image.values, same.values)
    assert image.attrs["pixel_size_um"] == pytest.approx(0.03)


def test_stacks_of_a_series_are_read_and_written_one_at_a_time(tmp_path, raw, predict, monkeypatch):
    small = raw[:, :128, :128]
    movie = np.concatenate([small, small[:, ::-1], small])
    path = dlsim.write_image(tmp_path / "movie.tif", movie, pixel_size_um=0.06)
    read: list[int] = []
    original = stream.StackSource.image
    monkeypatch.setattr(
        stream.StackSource, "image", lambda self, number: read.append(number) or original(self, number)
    )
    code, row, _ = predict(path, "--uncertainty")
    assert code == 0
    assert read == [0, 1, 2]
    assert row["output"] == str(tmp_path / "out" / "movie_sr.tif")
    image = dlsim.read_image(row["output"])
    assert image.dims == ("T", "Y", "X")
    np.testing.assert_array_equal(image[0], image[2])
    one = dlsim.write_image(tmp_path / "one.tif", small, pixel_size_um=0.06)
    _, alone, _ = predict(one)
    np.testing.assert_array_equal(dlsim.read_image(alone["output"]), image[0])


def test_a_series_of_fields_in_blocks(tmp_path, raw, predict):
    path = dlsim.write_image(tmp_path / "movie.tif", np.concatenate([raw, raw]), pixel_size_um=0.06)
    code, row, _ = predict(path, "--block-px", "192")
    assert code == 0
    image = dlsim.read_image(row["output"])
    assert image.sizes == {"T": 2, "Y": 2 * HEIGHT, "X": 2 * WIDTH}
    np.testing.assert_array_equal(image[0], image[1])


def test_the_wrong_order_and_no_light_are_told_as_ever(tmp_path, raw, predict):
    order = [a * 5 + p for p in range(5) for a in range(3)]
    path = dlsim.write_image(tmp_path / "order.tif", raw[order], pixel_size_um=0.06)
    code, text, _ = predict(path, "--block-px", "128")
    assert code == 2
    assert "not in angle-major order" in text
    assert not list((tmp_path / "out").glob("*"))
    code, row, _ = predict(path, "--block-px", "128", "--force")
    assert code == 0
    assert any("not in angle-major order" in warning for warning in row["warnings"])
    path = dlsim.write_image(tmp_path / "short.tif", raw[:14], pixel_size_um=0.06)
    code, text, _ = predict(path, "--block-px", "128")
    assert code == 2
    assert "short has 14 along I, not 15 frames" in text
    noise = np.random.default_rng(0).poisson(20, raw.shape).astype(np.uint16)
    path = dlsim.write_image(tmp_path / "noise.tif", noise, pixel_size_um=0.06)
    code, text, _ = predict(path, "--block-px", "128")
    assert code == 2
    assert "No illumination pattern stands out" in text


def test_saturation_anywhere_is_told(tmp_path, raw, predict):
    bright = np.minimum(raw, 4095)
    bright[:, 100:120, 100:120] = 4095
    path = dlsim.write_image(tmp_path / "bright.tif", bright, pixel_size_um=0.06)
    code, row, _ = predict(path, "--block-px", "128")
    assert code == 0
    assert any("pixels are saturated" in warning for warning in row["warnings"])


def test_a_mosaic_is_told_and_done(tmp_path, raw, predict, monkeypatch):
    rng = np.random.default_rng(5)
    conditions = paper_conditions(rng, photons=(500, 500))
    shifted = [
        dataclasses.replace(p, phases_rad=tuple(f + m * 2.0 for m, f in enumerate(p.phases_rad, start=1)))
        for p in conditions.patterns
    ]
    density = draw_structure("microtubules", (2 * 256, 2 * 256), 0.03, rng)
    parts = [
        simulate_sim(density, dataclasses.replace(conditions, patterns=tuple(patterns)), rng).raw
        for patterns in (conditions.patterns, shifted)
    ]
    path = dlsim.write_image(tmp_path / "mosaic.tif", np.concatenate(parts, axis=2), pixel_size_um=0.06)
    monkeypatch.setattr(field, "WINDOW_PX", 256)
    code, row, _ = predict(path, "--block-px", "256")
    assert code == 0
    assert any("does not hold for the whole field" in warning for warning in row["warnings"])
    alone = dlsim.write_image(tmp_path / "alone.tif", parts[1], pixel_size_um=0.06)
    _, other, _ = predict(alone, out="alone")
    image = dlsim.read_image(row["output"]).values[:, 512 + 160 :]
    assert np.corrcoef(image.ravel(), dlsim.read_image(other["output"]).values[:, 160:].ravel())[0, 1] > 0.99


def test_a_full_disk_is_seen_before_the_start(tmp_path, raw, predict, monkeypatch):
    path = dlsim.write_image(tmp_path / "cell.tif", raw, pixel_size_um=0.06)
    usage = files.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage._replace(free=10000))
    code, text, _ = predict(path, "--block-px", "128")
    assert code == 2
    assert "the disk of" in text
    assert not list((tmp_path / "out").glob("*"))


def test_an_interruption_leaves_nothing(tmp_path, raw, predict, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(field._Field, "_predicted", stop)
    path = dlsim.write_image(tmp_path / "cell.tif", raw, pixel_size_um=0.06)
    code, _, _ = predict(path, "--block-px", "128")
    assert code == 130
    assert list((tmp_path / "out").iterdir()) == []


def test_run_refuses_what_does_not_fit(tmp_path, raw, capfd, monkeypatch):
    path = dlsim.write_image(tmp_path / "cell.tif", raw, pixel_size_um=0.06)
    monkeypatch.setattr(plan, "free_main_bytes", lambda: 2**28)
    monkeypatch.setattr(plan, "ALWAYS_TRIED_BYTES", 0)
    assert run(["run", str(path), "-o", str(tmp_path / "out"), "--engine", "none"]) == 2
    text = capfd.readouterr().err
    assert "are free" in text
    assert "dlsim predict" in text


def test_plans_and_small_blocks(tmp_path, raw, predict):
    path = dlsim.write_image(tmp_path / "cell.tif", raw, pixel_size_um=0.06)
    code, row, _ = predict(path, "--block-px", "128", "--dry-run")
    assert code == 0
    assert row["output"].endswith("cell_sr.ome.tif")
    code, text, _ = predict(path, "--block-px", "20")
    assert code == 2
    assert "blocks of 20 px" in text
