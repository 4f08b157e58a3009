"""Through the real command: the same bytes as without a worker, and what happens when something dies."""

import base64
import json
import os
import shutil
import signal
import stat
import sys

import numpy as np
import pytest

import dlsim_ij as dlsim
from dlsim_ij.worker.protocol import Request

from .conftest import ROOT, in_threads, wait_for

sys.path.insert(0, str(ROOT / "tests" / "faults"))

import places

LONG = ["srrf", "long.npy", "-o", "out", "--magnification", "5"]


def files_of(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "demo_raw.tif", "-o", "OUT", "--json"],
        ["score", "--truth", "truth.npy", "--image", "image_0.npy", "--image", "image_1.npy"],
        ["score", "--truth", "truth.npy", "--image", "missing.npy"],
        ["score", "--oops"],
        ["score", "--truth", "truth.npy", "--image", "image_0.npy", "--macro", "--macro-results", "OUT.json"],
        ["check", "demo_raw.tif", "-v"],
    ],
)
def test_output_files_and_exit_code_are_those_without_a_worker(worker, folder, words):
    before = worker.status()["done"]
    answers = {}
    for where, extra in (("warm", []), ("cold", ["--no-worker"])):
        code, out, err = worker.command(*[w.replace("OUT", where) for w in words], *extra, folder=folder)
        lines = [json.loads(line) for line in out.splitlines()] if "--json" in words else [{"text": out}]
        for line in lines:
            line.pop("seconds", None)
        answers[where] = code, json.dumps(lines).replace(where, "OUT"), err
    assert answers["warm"] == answers["cold"]
    assert worker.status()["done"] == before + 1
    if "OUT" in words:
        warm, cold = (folder / where / "demo_raw_sr.tif" for where in ("warm", "cold"))
        np.testing.assert_array_equal(dlsim.read_image(warm).values, dlsim.read_image(cold).values)


def test_two_hundred_jobs_of_eight_clients_are_neither_lost_nor_mixed_up(worker, folder):
    def words(image):
        return ["score", "--truth", "truth.npy", "--image", f"image_{image}.npy", "--json", "-q"]

    def client(number):
        answers = []
        for turn in range(25):
            image = (number + turn) % 8
            body = Request(arguments=words(image), folder=str(folder)).to_json()
            answers.append((image, *worker.ask("POST", "/jobs", body)))
        return answers

    before = worker.status()["done"]
    answers = [answer for each in in_threads(client, range(8)) for answer in each]
    assert len(answers) == 200
    assert worker.status()["done"] == before + 200
    texts = {}
    for image, code, body in answers:
        assert code == 200
        out, err, exit_code = collected(body)
        assert (exit_code, err) == (0, b"")
        assert json.loads(out)["image"] == f"image_{image}.npy"
        texts.setdefault(image, set()).add(out.decode())
    assert all(len(each) == 1 for each in texts.values())
    assert len(set.union(*texts.values())) == 8
    assert texts[3] == {worker.command(*words(3), "--no-worker", folder=folder)[1]}


def collected(body):
    out, err, exit_code = b"", b"", None
    for line in body.splitlines():
        content = json.loads(line)
        out += base64.b64decode(content.get("out", ""))
        err += base64.b64decode(content.get("err", ""))
        exit_code = content.get("exit", exit_code)
    return out, err, exit_code


def test_new_files_have_the_permissions_that_the_client_gives(worker, folder):
    before = os.umask(0)
    try:
        for umask in (0o077, 0o002):
            os.umask(umask)
            words = ["simulate", "-o", f"made_{umask:o}", "--size", "64", "-q"]
            assert worker.command(*words, folder=folder)[0] == 0
    finally:
        os.umask(before)
    for umask in (0o077, 0o002):
        made = next((folder / f"made_{umask:o}").glob("*.tif"))
        assert stat.S_IMODE(made.stat().st_mode) == 0o666 & ~umask


def test_bad_jobs_cost_nobody_else_anything(worker, folder):
    engine = worker.status()["engine_pid"]
    for words in (
        ["rnu"],
        ["predict"],
        ["predict", "missing.tif", "-o", "x"],
        ["--version"],
        ["serve", "--stop=1"],
    ):
        body = Request(arguments=words, folder=str(folder)).to_json()
        code, answer = worker.ask("POST", "/jobs", body)
        assert (code, collected(answer)[2]) == (200, 0 if words == ["--version"] else 2)
    body = Request(arguments=["models"], folder=str(folder / "gone")).to_json()
    assert "cannot enter" in json.loads(worker.ask("POST", "/jobs", body)[1].splitlines()[-1])["lost"]
    assert worker.status()["engine_pid"] == engine


def test_a_changed_model_file_is_noticed(worker, folder):
    model = folder / "model"
    shutil.copytree(dlsim.__path__[0] + "/bundles/weights/sim15", model)
    words = ["predict", "demo_raw.tif", "--model", "./model", "--overwrite", "-q", "-o", "out"]
    assert worker.command(*words, folder=folder)[0] == 0
    assert worker.status()["models"]
    weights = model / "weights.safetensors"
    times = os.stat(weights).st_atime_ns, os.stat(weights).st_mtime_ns
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    os.utime(weights, ns=times)  # as cp -p and rsync do
    code, _, err = worker.command(*words, folder=folder)
    assert code == 2
    assert "is not the file that model.json describes" in err
    weights.write_bytes(good)
    assert worker.command(*words, folder=folder)[0] == 0


def test_a_full_disk_costs_its_job_only(worker, folder):
    engine = worker.status()["engine_pid"]
    words = ["predict", "demo_raw.tif", "-q", "-o"]
    try:
        with places.small_disk(folder / "disk", "size=16k"):
            code, _, err = worker.command(*words, "disk/out", folder=folder)
            assert files_of(folder / "disk" / "out") == []
    except places.NotHere as reason:
        pytest.skip(str(reason))
    assert code == 2
    assert err.startswith("error: cannot write disk/out/demo_raw_sr.tif: No space left on device\nhint: ")
    assert worker.command(*words, "out", folder=folder)[0] == 0
    assert worker.status()["engine_pid"] == engine


def test_a_killed_engine_costs_its_job_only(worker, folder):
    """As the system does when memory runs out, or a crash in a C library."""
    process = worker.popen(*LONG, "--macro", folder=folder)
    worker.wait_until_running()
    engine = worker.status()["engine_pid"]
    os.kill(engine, signal.SIGSEGV)
    out, err = process.communicate(timeout=200)
    lines = err.decode().splitlines()
    assert process.returncode == 2
    assert out.startswith(b"DLSIM ERROR the process that did the job is gone: it was killed by SIGSEGV")
    assert lines[-2].startswith("error: the process that did the job is gone: it was killed by SIGSEGV")
    assert lines[-1].startswith("hint: ")
    assert files_of(folder / "out") == []
    words = ["score", "--truth", "truth.npy", "--image", "image_0.npy"]
    assert worker.command(*words, folder=folder)[0] == 0
    assert worker.status()["engine_pid"] != engine
    assert worker.status()["models"] == ["sim15"]


def test_ctrl_c_cancels_the_job_and_the_worker_goes_on(worker, folder):
    process = worker.popen(*LONG, folder=folder)
    worker.wait_until_running()
    waiting = worker.popen("score", "--truth", "truth.npy", "--image", "image_0.npy", folder=folder)
    wait_for(lambda: worker.status()["waiting"] == 1, "the second job")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 130
    assert err.decode().endswith("interrupted: nothing is half written\n")
    assert files_of(folder / "out") == []
    assert waiting.wait(timeout=200) == 0
    waiting.communicate()


def test_the_job_of_a_killed_client_is_cancelled(worker, folder):
    process = worker.popen(*LONG, folder=folder)
    worker.wait_until_running()
    waiting = worker.popen("score", "--truth", "truth.npy", "--image", "image_0.npy", folder=folder)
    wait_for(lambda: worker.status()["waiting"] == 1, "the second job")
    for each in (waiting, process):
        each.kill()
        each.communicate()
    wait_for(lambda: not worker.status()["job"], "the end of the job")
    assert worker.status()["waiting"] == 0
    assert files_of(folder / "out") == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_worker_killed_in_the_middle(lone_worker, folder):
    """One line, no second run, nothing half written; and the next call starts another, when asked to."""
    worker = lone_worker
    worker.start()
    stack = np.random.default_rng(0).random((60, 96, 96)).astype(np.float32)
    np.save(folder / "stack.npy", stack)
    dlsim.write_image(folder / "sr.tif", dlsim.read_image(folder / "stack.npy"))
    process = worker.popen(
        "squirrel", "--reference", "stack.npy", "--image", "sr.tif", "--maps", "maps", folder=folder
    )
    maps = folder / "maps"
    wait_for(lambda: any(".part" in name for name in files_of(maps)), "the maps on their way")
    os.kill(worker.process.pid, signal.SIGKILL)
    _, err = process.communicate(timeout=200)
    lines = err.decode().splitlines()
    assert process.returncode == 2
    assert [line.split(":")[0] for line in lines[-2:]] == ["error", "hint"]
    assert "was lost in the middle of the job; nothing is half written" in lines[-2]
    assert files_of(maps) == []
    worker.process.communicate()
    worker.process = None

    words = ["score", "--truth", "truth.npy", "--image", "image_0.npy"]
    assert worker.place.file.exists()
    code, out, err = worker.command(*words, "--no-worker", folder=folder)
    assert (code, err) == (0, "")
    assert worker.command(*words, folder=folder) == (0, out, "")  # the stale file is removed silently
    assert not worker.place.file.exists()
    assert worker.command(*words, "--start-worker", folder=folder) == (0, out, "")
    assert worker.status()["done"] == 1
    assert worker.command(*words, folder=folder, DLSIM_WORKER="auto") == (0, out, "")
    assert worker.status()["done"] == 2
