"""``dlsim srrf``: files in, calibrated images and their parameters out; refusals leave nothing behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dlsim_ij.cli.main import run
from dlsim_ij.images import read_image, write_image
from dlsim_ij.reconstruction import esrrf, estimate_drift, srrf

STACK = Path(__file__).parents[1] / "reference" / "srrf" / "stack.tif"
PIXELS = read_image(STACK).values


def rows_of(words, capfd, code=0):
    assert run(["srrf", *map(str, words), "--json"]) == code
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def refused(words, capfd, said):
    assert run(["srrf", *map(str, words)]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("srrf")]
    assert len(lines) == 2, lines
    assert said in lines[0]
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")


def test_a_stack_becomes_an_image_with_its_pixel_size(tmp_path, capfd):
    out = tmp_path / "out"
    (row,) = rows_of([STACK, "-o", out, "--pixel-size", 0.1], capfd)
    image = read_image(row["output"])
    assert Path(row["output"]) == out / "stack_srrf.tif"
    assert image.attrs["pixel_size_um"] == pytest.approx(0.02)
    np.testing.assert_array_equal(image.values, srrf(PIXELS))
    assert row["parameters"]["ring_radius_px"] == 0.5
    assert row["parameters"]["mode"] == "TRA"
    kept = json.loads((out / "stack_srrf.json").read_text())
    assert {**kept, "input": 0} == {**row["parameters"], "input": 0}
    assert sorted(path.name for path in out.iterdir()) == ["stack_srrf.json", "stack_srrf.tif"]


def test_options_reach_the_method(tmp_path, capfd):
    words = "--method esrrf --mode var --magnification 3 --radius 2 --sensitivity 2 --keep-patterning"
    (row,) = rows_of([STACK, "-o", tmp_path, *words.split(), "--frames", "5-30", "--block", 9], capfd)
    expected = esrrf(PIXELS[4:30], 3, 2, 2, "VAR", minimise_patterning=False, block=9)
    np.testing.assert_array_equal(read_image(row["output"]).values, expected)
    assert row["parameters"]["frames"] == [5, 30]
    words = "--mode trac2 --integrate --axes 4 --radius 0.7 --gradient-weighting --psf-fwhm 3 --extend-edges"
    words += " --no-intensity-weighting --minimise-patterning"
    (row,) = rows_of([STACK, "-o", tmp_path, *words.split()], capfd)
    expected = srrf(
        PIXELS, 5, 0.7, 4, "TRAC2", True, gradient_weighting=True, psf_fwhm_px=3, extend_edges=True,
        intensity_weighting=False, minimise_patterning=True,
    )  # fmt: skip
    np.testing.assert_array_equal(read_image(row["output"]).values, expected)


def test_time_points_make_a_series(tmp_path, capfd):
    (row,) = rows_of([STACK, "-o", tmp_path, "--magnification", 2, "--frames-per-time-point", 15], capfd)
    series = read_image(row["output"])
    assert series.dims == ("T", "Y", "X")
    for number in range(2):
        np.testing.assert_array_equal(series.values[number], srrf(PIXELS[15 * number : 15 * number + 15], 2))
    assert any("last 10 of 40 frames" in warning for warning in row["warnings"])
    assert row["parameters"]["frames"] == [1, 30]
    assert list(tmp_path.glob("*.part*")) == []


def test_drift_is_found_written_and_read_again(tmp_path, capfd):
    moved = np.stack([np.roll(frame, n // 8, axis=1) for n, frame in enumerate(PIXELS)])
    path = write_image(tmp_path / "moved.tif", moved, pixel_size_um=0.1)
    (row,) = rows_of([path, "-o", tmp_path, "--drift", "auto"], capfd)
    table = tmp_path / "moved_srrf_drift.csv"
    assert table.read_text().splitlines()[0] == "frame,y_px,x_px"
    found = np.loadtxt(table, delimiter=",", skiprows=1)
    np.testing.assert_allclose(found[:, 1:], estimate_drift(moved), atol=6e-5)
    assert row["parameters"]["longest_drift_px"] == pytest.approx(np.hypot(*found[:, 1:].T).max(), abs=1e-3)
    (again,) = rows_of(
        [path, "-o", tmp_path / "again", "--drift", table, "--frames", "11-40"], capfd
    )  # a table speaks of the frames of the file
    expected = srrf(moved[10:], drift=found[10:, 1:])
    np.testing.assert_array_equal(read_image(again["output"]).values, expected)


def test_the_drift_of_each_time_point_is_its_own(tmp_path, capfd):
    drift = np.linspace((0, 0), (2, -1), 40)
    table = tmp_path / "drift.csv"
    np.savetxt(table, drift, delimiter=",", header="y_px,x_px", comments="", fmt="%.6f")
    words = [STACK, "-o", tmp_path, "--magnification", 2, "--frames-per-time-point", 20, "--drift", table]
    (row,) = rows_of(words, capfd)
    second = read_image(row["output"]).values[1]
    np.testing.assert_allclose(second, srrf(PIXELS[20:], 2, drift=drift[20:]), rtol=1e-4, atol=1e-3)
    assert row["parameters"]["drift"] == "table"


def test_folders_of_frames_and_of_files(tmp_path, capfd):
    for number, frame in enumerate(PIXELS[:6]):
        (tmp_path / "in" / "single").mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "in" / "single" / f"f_{number:02d}.tif", frame, pixel_size_um=0.2)
    write_image(tmp_path / "in" / "whole.tif", PIXELS[:6])
    rows = rows_of([tmp_path / "in", "-o", tmp_path / "out", "--magnification", 2], capfd)
    names = sorted(str(Path(row["output"]).relative_to(tmp_path / "out")) for row in rows)
    assert names == ["single_srrf.tif", "whole_srrf.tif"]
    one, two = (read_image(row["output"]) for row in rows)
    np.testing.assert_array_equal(one.values, two.values)


def test_one_bad_stack_of_two_does_not_stop_the_other(tmp_path, capfd):
    bad = write_image(tmp_path / "bad.tif", PIXELS[:1])
    assert run(["srrf", str(bad), str(STACK), "-o", str(tmp_path / "out"), "--mode", "TRAC2"]) == 1
    captured = capfd.readouterr()
    assert captured.out.split() == [str(tmp_path / "out" / "stack_srrf.tif")]
    assert "bad.tif: 1 frame(s) are too few" in captured.err


def test_nothing_is_replaced_unasked_and_a_dry_run_writes_nothing(tmp_path, capfd):
    out = tmp_path / "out"
    (row,) = rows_of([STACK, "-o", out, "--dry-run"], capfd)
    assert row["dry_run"]
    assert row["output"].endswith("stack_srrf.tif")
    assert not out.exists()
    rows_of([STACK, "-o", out, "--magnification", 1], capfd)
    refused([STACK, "-o", out], capfd, "stack_srrf.tif exists already")
    rows_of([STACK, "-o", out, "--magnification", 2, "--overwrite"], capfd)
    assert read_image(out / "stack_srrf.tif").shape == (96, 96)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--radius", "9"], "ring radius: 9.0 px is not between"),
        (["--frames", "1-90"], "the stack has 40 frames"),
        (["--frames", "9-3"], "'9-3' is no range of frames"),
        (["--frames", "0-3"], "'0-3' is no range of frames"),
        (["--mode", "AVG"], "AVG is no mode of srrf"),
        (["--mode", "TRA", "--method", "esrrf"], "TRA is no mode of esrrf"),
        (["--method", "esrrf", "--axes", "6"], "--axes is no option of esrrf"),
        (["--sensitivity", "2"], "--sensitivity is no option of srrf"),
        (["--frames-per-time-point", "41"], "40 frames do not make one time point of 41"),
        (["--frames-per-time-point", "2", "--mode", "TRAC3"], "too few for this mode"),
        (["--drift", "none.csv"], "drift table none.csv cannot be read"),
        (["--drift", str(STACK)], "is no drift table"),
        (["--drift", "auto", "--frames", "1-20"], "fewer than two groups"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(words, said, tmp_path, capfd):
    out = tmp_path / "out"
    refused([STACK, "-o", out, *words], capfd, said)
    assert not out.exists()


def test_stacks_that_are_no_time_series_are_refused(tmp_path, capfd):
    hyper = xr.DataArray(PIXELS[:6].reshape(3, 2, 48, 48), dims=("T", "C", "Y", "X"))
    path = write_image(tmp_path / "hyper.tif", hyper)
    refused([path, "-o", tmp_path / "out"], capfd, "2 channels x 3 frames")
    short = tmp_path / "short.csv"
    short.write_text("y_px,x_px\n0,0\n0.5,0\n")
    refused([STACK, "-o", tmp_path / "out", "--drift", short], capfd, "no row for frame 3")
    assert not (tmp_path / "out").exists()


def test_an_interrupt_leaves_nothing_half_written(tmp_path):
    """Ctrl-C in the middle of a long series."""
    frames = np.random.default_rng(0).poisson(20, (40, 256, 256)).astype(np.uint16)
    path = write_image(tmp_path / "long.tif", frames)
    out = tmp_path / "out"
    words = [str(path), "-o", str(out), "--frames-per-time-point", "5", "--magnification", "6"]
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from dlsim_ij.cli.main import main; main(['srrf', *sys.argv[1:]])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not out.exists() and time.monotonic() < deadline:  # made when the first time point is there
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nothing is half written" in said
    assert list(out.iterdir()) == []
