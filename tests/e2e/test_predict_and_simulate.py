import json

import numpy as np
import pytest

import dlsim_ij as dlsim
from dlsim_ij.cli.main import run


def simulate(folder, *words):
    return run(["simulate", "-o", str(folder), "--size", "64", *words])


def test_simulated_stacks_are_raw_truth_and_parameters(tmp_path, capfd):
    words = ["--structure", "actin", "--structure", "points", "--count", "2", "--photons", "50", "--json"]
    assert simulate(tmp_path, *words) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len(rows) == 4
    for row in rows:
        raw, truth = dlsim.read_image(row["raw"]), dlsim.read_image(row["truth"])
        assert raw.shape == (15, 64, 64)
        assert raw.dtype == np.uint16
        assert raw.attrs["labels"][:6] == ["a0p0", "a0p1", "a0p2", "a0p3", "a0p4", "a1p0"]
        assert truth.shape == (128, 128)
        assert truth.attrs["pixel_size_um"] == pytest.approx(0.03)
        with open(row["parameters"]) as file:
            assert json.load(file)["conditions"]["photons"] == pytest.approx(50)


def test_the_seed_fixes_every_pixel(tmp_path, capfd):
    for folder, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert simulate(tmp_path / folder, "--seed", seed, "--geometry", "random", "-q") == 0
    a, b, c = ((tmp_path / f / "microtubules_001_raw.tif").read_bytes() for f in "abc")
    assert a == b
    assert a != c


def test_simulate_refuses_what_it_cannot_do(tmp_path, capfd):
    assert simulate(tmp_path, "--structure", "actn") == 2
    assert "did you mean 'actin'?" in capfd.readouterr().err
    assert run(["simulate", "-o", str(tmp_path), "--size", "65"]) == 2
    assert simulate(tmp_path, "-q") == 0
    assert simulate(tmp_path, "-q") == 2
    assert "exists already" in capfd.readouterr().err


def test_predict_writes_the_networks_image_alone(tmp_path, capfd):
    assert simulate(tmp_path / "in", "--count", "2", "-q") == 0
    for file in (tmp_path / "in").glob("*_truth.tif"):
        file.unlink()
    out = tmp_path / "out"
    capfd.readouterr()
    assert run(["predict", str(tmp_path / "in"), "-o", str(out), "--json"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [set(row) >= {"input", "output", "seconds"} for row in rows] == [True, True]
    assert sorted(path.name for path in out.iterdir()) == [
        "microtubules_001_raw_sr.tif", "microtubules_002_raw_sr.tif"
    ]  # fmt: skip
    raw = dlsim.read_image(rows[0]["input"])
    expected = dlsim.reconstruct(raw).sr.values
    np.testing.assert_allclose(dlsim.read_image(rows[0]["output"]).values, expected, rtol=1e-6)


def test_an_unknown_model_is_named(tmp_path, capfd):
    assert simulate(tmp_path / "in", "-q") == 0
    raw = tmp_path / "in" / "microtubules_001_raw.tif"
    assert run(["predict", str(raw), "-o", str(tmp_path / "out"), "--model", "sim51"]) == 2
    assert "did you mean 'sim15'?" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
