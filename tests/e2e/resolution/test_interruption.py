"""``dlsim resolution`` stopped in the middle: what is left, and that the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dlsim_ij.cli.main import run


@pytest.fixture
def big_stack(tmp_path: Path, picture) -> Path:
    planes = np.stack([picture(n, 512) for n in range(4)])
    path = tmp_path / "big.npy"
    np.save(path, planes[np.arange(30) % 4])
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
def test_ctrl_c_leaves_a_valid_table_that_a_second_call_completes(
    threads, tmp_path, call, refusal, table, big_stack
):
    partial, journal = tmp_path / "t.partial.csv", tmp_path / "t.partial.jsonl"
    words = [str(big_stack), "--csv", str(tmp_path / "t.csv"), "--pixel-size", "0.065", "--threads", threads]
    code, err = interrupt(words, partial, signal.SIGINT)
    assert code == 130
    assert "Traceback" not in err
    done = table(partial)
    assert 3 <= len(done) < 30
    assert f"interrupted: {len(done)} of 30 planes are in {partial}; the same command goes on" in err
    assert not (tmp_path / "t.csv").exists()

    error, _ = refusal(*words, "--nr", "40")
    assert "n_radii 50, not 40" in error
    # a mark that only survives if the finished planes are not measured again
    lines = journal.read_text().splitlines()
    marked = json.loads(lines[1]) | {"label": "from before"}
    journal.write_text("\n".join([lines[0], json.dumps(marked), *lines[2:]]) + "\n")
    code, rows, err = call(*words)
    assert code == 0
    assert f"going on: {len(done)} of 30 planes are done" in err
    assert [row["plane"] for row in rows] == list(range(1, 31))
    finished = table(tmp_path / "t.csv")
    assert finished[0]["label"] == "from before"
    assert finished[1 : len(done)] == done[1:]
    assert [row["plane"] for row in finished] == [str(n) for n in range(1, 31)]
    assert finished[4]["kc"] == finished[28]["kc"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["big.npy", "t.csv"]


def test_a_terminated_run_goes_on_too(tmp_path, call, table, big_stack):
    words = [str(big_stack), "--csv", str(tmp_path / "t.csv")]
    code, _ = interrupt(words, tmp_path / "t.partial.csv", signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert len(table(tmp_path / "t.partial.csv")) >= 3
    code, rows, err = call(*words)
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


def test_a_changed_file_does_not_go_on(stack, tmp_path, monkeypatch, call, refusal, table):
    words = [str(stack), "--csv", str(tmp_path / "t.csv")]
    stop_after(3, words, monkeypatch)
    assert len(table(tmp_path / "t.partial.csv")) == 3
    os.utime(stack, ns=(0, 10**18))
    error, hint = refusal(*words)
    assert str(stack) in error
    assert "--overwrite" in hint
    code, rows, err = call(*words, "--overwrite")
    assert (code, len(rows)) == (0, 4)
    assert "going on" not in err


def test_drawings_of_others_are_kept_and_those_of_the_interrupted_run_replaced(
    stack, tmp_path, monkeypatch, call, refusal
):
    words = [str(stack), "--csv", str(tmp_path / "t.csv"), "--curves", str(tmp_path / "c.svg")]
    (tmp_path / "c_p003.svg").write_text("mine")
    error, _ = refusal(*words)
    assert "c_p003.svg exists already" in error
    assert {one.name for one in tmp_path.iterdir()} == {"stack.tif", "c_p003.svg"}
    (tmp_path / "c_p003.svg").unlink()
    stop_after(2, words, monkeypatch)
    (tmp_path / "c_p003.svg").write_text("drawn by the process that was interrupted")
    code, rows, _ = call(*words)
    assert (code, len(rows)) == (0, 4)
    assert "</svg>" in (tmp_path / "c_p003.svg").read_text()


def test_ctrl_c_without_a_table_leaves_nothing(tmp_path, big_stack):
    out = tmp_path / "out.jsonl"
    with open(out, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dlsim_ij", "resolution", str(big_stack), "--json"], stdout=file,
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
