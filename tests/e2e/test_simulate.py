"""``dlsim simulate`` beyond its main path: a trial run, a process of its own, every file from the seed."""

import json
import subprocess
import sys

from dlsim_ij.cli.main import run


def test_a_dry_run_names_the_files_and_writes_none(tmp_path, capfd):
    out = tmp_path / "out"
    assert run(["simulate", "-o", str(out), "--count", "2", "--size", "64", "--dry-run", "--json"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["dry_run"] for row in rows] == [True, True]
    assert {"raw", "truth", "parameters"} <= set(rows[0])
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
