"""``dlsim check`` as a user calls it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import dlsim_ij as dlsim
from dlsim_ij.cli.main import run

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def raw():
    return dlsim.read_image(EXAMPLES / "demo_raw.tif").values


def phase_major(raw):
    return raw[np.arange(15).reshape(3, 5).T.ravel()]


def checked(capfd, *words):
    code = run(["check", *map(str, words), "--json"])
    captured = capfd.readouterr()
    assert "Traceback" not in captured.err
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_the_demo_stack_is_fit(capfd):
    code, (row,), _ = checked(capfd, EXAMPLES / "demo_raw.tif")
    assert code == 0
    assert (row["layout"], row["order"], row["verdict"], row["warnings"]) == ("3x5", "angle-major", "fit", [])
    np.testing.assert_allclose(row["angles_deg"], [13.9, 74.4, -45.2], atol=0.3)
    np.testing.assert_allclose(row["periods_um"], 0.493, rtol=3e-3)
    np.testing.assert_allclose(row["finest_periods_um"], 0.2465, rtol=3e-3)
    assert np.shape(row["phases_rad"]) == np.shape(row["modulation"]) == np.shape(row["snr"]) == (3, 2)
    assert row["confidence"] > 0.95
    assert row["gain_adu_per_electron"] == pytest.approx(6.85, rel=0.1)
    for key in ("photons", "offset_adu", "read_noise_electrons", "bleaching", "drift_px", "saturated"):
        assert key in row


def test_people_get_a_table(capfd):
    assert run(["check", str(EXAMPLES / "demo_raw.tif")]) == 0
    out = capfd.readouterr().out
    assert "demo_raw.tif: fit" in out
    assert "3x5 (angles x phases), angle-major" in out
    assert "493 nm" in out


def test_a_stack_in_another_order_is_not_fit_and_can_be_sorted(tmp_path, raw, capfd):
    np.save(tmp_path / "swapped.npy", phase_major(raw))
    code, (row,), _ = checked(capfd, tmp_path / "swapped.npy", "--pixel-size", 0.06)
    assert code == 1
    assert (row["order"], row["verdict"]) == ("phase-major", "not fit")
    assert "phase by phase" in row["warnings"][0]["message"]
    assert "--fix-order" in row["warnings"][0]["advice"]

    words = [tmp_path / "swapped.npy", "--pixel-size", 0.06, "--fix-order", "-o", tmp_path / "out"]
    code, (row,), _ = checked(capfd, *words)
    assert code == 0
    sorted_ = dlsim.read_image(row["sorted"])
    np.testing.assert_array_equal(sorted_.values.reshape(raw.shape), raw)
    assert sorted_.attrs["pixel_size_um"] == 0.06  # said for the check, kept in the file
    assert sorted_.attrs["labels"][1] == "a0p1"
    assert checked(capfd, row["sorted"])[1][0]["verdict"] != "not fit"
    assert run(["check", *map(str, words)]) == 2  # exists already
    assert "exists" in capfd.readouterr().err


def test_a_stack_in_order_is_not_written_again(tmp_path, capfd):
    shutil.copy(EXAMPLES / "demo_raw.tif", tmp_path)
    code, (row,), err = checked(capfd, tmp_path / "demo_raw.tif", "--fix-order", "-o", tmp_path / "out")
    assert (code, row["sorted"]) == (0, None)
    assert "it is in order" in err
    assert not (tmp_path / "out").exists()


def test_a_mosaic_becomes_a_stack(tmp_path, raw, capfd):
    height, width = raw.shape[1:]
    picture = raw.reshape(3, 5, height, width).transpose(0, 2, 1, 3).reshape(3 * height, 5 * width)
    dlsim.write_image(tmp_path / "nsim.tif", picture, pixel_size_um=0.06)
    code, (row,), _ = checked(capfd, tmp_path / "nsim.tif", "--fix-order", "-o", tmp_path / "out")
    assert (code, row["storage"], row["layout"], row["verdict"]) == (0, "mosaic", "3x5", "fit")
    np.testing.assert_array_equal(dlsim.read_image(row["sorted"]).values.reshape(raw.shape), raw)


def test_a_series_is_looked_at_stack_by_stack(tmp_path, raw, capfd):
    np.save(tmp_path / "series.npy", np.concatenate([raw, phase_major(raw)]))
    code, rows, _ = checked(
        capfd, tmp_path / "series.npy", "--pixel-size", 0.06, "--layout", "3x5", "--every"
    )
    assert code == 1
    assert [(row["stack"], row["stacks"], row["order"]) for row in rows] == [
        (1, 2, "angle-major"), (2, 2, "phase-major"),
    ]  # fmt: skip


def test_the_model_has_a_say(tmp_path, capfd):
    from dlsim_ij.simulation import draw_structure, random_conditions, simulate_sim

    rng = np.random.default_rng(0)
    density = draw_structure("microtubules", (256, 256), 0.03, rng)
    stack = simulate_sim(density, random_conditions(rng, photons=(300, 300), n_angles=4, n_phases=3), rng)
    dlsim.write_image(tmp_path / "twelve.tif", stack.raw, pixel_size_um=0.06)
    code, (row,), _ = checked(capfd, tmp_path / "twelve.tif")
    assert (code, row["layout"], row["verdict"]) == (1, "4x3", "not fit")
    assert "takes 15 or 9 frames of 3 angles" in row["warnings"][-1]["message"]
    code, (row,), _ = checked(capfd, tmp_path / "twelve.tif", "--model", "none")
    assert (code, row["beams"]) == (0, 2)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((15, 64, 64), 7), "constant"),
        (np.full((15, 64, 64), np.nan), "NaN"),
        (np.random.default_rng(0).random((2, 64, 64)), "no raw SIM stack"),
        (np.random.default_rng(0).random((1, 64, 64)), "single plane|no raw SIM stack"),
        (np.random.default_rng(0).random((14, 64, 64)), "no raw SIM stack"),
        (np.zeros((15, 0, 64)), "error"),
    ],
)
def test_hostile_input_is_one_clear_line(tmp_path, pixels, message, capfd):
    import re

    np.save(tmp_path / "bad.npy", pixels)
    assert run(["check", str(tmp_path / "bad.npy")]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert lines[0].startswith("error: ")
    assert re.search(message, lines[0])
    assert len(lines) <= 2


def test_noise_is_not_fit(tmp_path, capfd):
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).poisson(50, (15, 96, 96)).astype(np.uint16))
    code, (row,), _ = checked(capfd, tmp_path / "noise.npy", "--pixel-size", 0.06)
    assert (code, row["verdict"]) == (1, "not fit")
    assert row["confidence"] < 0.5


def test_one_bad_file_does_not_stop_the_others(tmp_path, capfd):
    shutil.copy(EXAMPLES / "demo_raw.tif", tmp_path / "good.tif")
    (tmp_path / "bad.tif").write_bytes(b"no image")
    code, rows, err = checked(capfd, tmp_path / "bad.tif", tmp_path / "good.tif")
    assert code == 1
    assert "bad.tif" in err
    assert [Path(row["input"]).name for row in rows] == ["good.tif"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fix-order"], "--fix-order and -o DIR go together"),
        (["--layout", "five"], "not angles x phases"),
        (["--storage", "XYZ"], "no storage is called 'XYZ'"),
        (["--model", "nonsense"], "nonsense"),
        (["--na", "9"], "numerical aperture"),
    ],
)
def test_wrong_words(words, message, capfd):
    assert run(["check", str(EXAMPLES / "demo_raw.tif"), *words]) == 2
    assert message in capfd.readouterr().err.splitlines()[0]
