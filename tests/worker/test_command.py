"""``dlsim serve`` itself, and calls that must not use the worker."""

import json
import signal
import socket
import threading

import pytest

from dlsim_ij.cli.main import run
from dlsim_ij.worker import client
from dlsim_ij.worker.place import PACKAGE, Place, WorkerFile

CONNECT = client.connect
SCORE = ["score", "--truth", "truth.npy", "--image", "image_0.npy"]


def test_it_leaves_when_it_has_nothing_to_do(lone_worker):
    told = lone_worker.start("--idle-minutes", "0.01")
    assert told["address"].startswith("http://127.0.0.1:")
    assert told["pid"] == lone_worker.process.pid
    assert lone_worker.process.wait(timeout=200) == 0
    assert not lone_worker.place.file.exists()
    assert "nothing to do" in lone_worker.place.log.read_text()


def test_start_look_and_stop(lone_worker):
    assert lone_worker.command("serve", "--status")[:2] == (1, "no worker runs\n")
    code, out, _ = lone_worker.command("serve", "--background", "--json")
    pid = json.loads(out)["pid"]
    assert code == 0
    code, out, _ = lone_worker.command("serve", "--status")
    assert (code, f"worker {pid}" in out) == (0, True)
    code, _, err = lone_worker.command("serve")
    assert (code, "a worker runs already" in err) == (2, True)
    code, out, _ = lone_worker.command("doctor", "--engine", "none")
    assert f"process {pid} at http://127.0.0.1" in out
    assert lone_worker.command("serve", "--stop") == (0, f"stopped process {pid}\n", "")
    assert lone_worker.command("serve", "--stop") == (0, "no worker runs\n", "")
    assert not lone_worker.place.worker_lives()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_in_good_order(lone_worker, number):
    lone_worker.start()
    lone_worker.process.send_signal(number)
    assert lone_worker.process.wait(timeout=200) == 0
    assert not lone_worker.place.file.exists()


@pytest.mark.parametrize(
    ("words", "setting", "expected"),
    [
        (["predict", "a.tif"], "", "on"),
        (["predict", "a.tif"], "off", "off"),
        (["predict", "a.tif"], "auto", "auto"),
        (["predict", "a.tif", "--start-worker"], "", "auto"),
        (["predict", "a.tif", "--start-worker"], "off", "off"),
        (["predict", "a.tif", "--no-worker"], "auto", "off"),
        (["predict", "--", "--no-worker"], "", "on"),
        (["predict", "--help"], "", "off"),
        (["predict", "--dry-run"], "auto", "off"),
        (["doctor"], "auto", "off"),
        (["train", "a.yaml"], "auto", "off"),
        (["serve"], "auto", "off"),
        ([], "auto", "off"),
        (["--version"], "auto", "off"),
    ],
)
def test_which_calls_use_a_worker(words, setting, expected, monkeypatch):
    monkeypatch.setenv("DLSIM_WORKER", setting)
    assert client.wanted(words) == expected


def test_nonsense_in_the_setting_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("DLSIM_WORKER", "maybe")
    assert run(SCORE) == 2
    assert capsys.readouterr().err.startswith("error: DLSIM_WORKER=maybe is none of off, on and auto")


@pytest.fixture
def another(tmp_path, folder, monkeypatch):
    """Give a function that poses as a running worker, which no call may reach."""
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("DLSIM_WORKER", "on")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(client, "connect", lambda *_: pytest.fail("it was called"))
    place = Place()
    place.prepare()

    def pose(**facts):
        import dlsim_ij

        own = {"port": 1, "token": "x", "pid": 1, "version": dlsim_ij.__version__, "package": PACKAGE}
        place.write(WorkerFile(**{**own, **facts}))
        return place

    with place.worker_lock():
        yield pose


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"version": "0.0.1"}, "it is dlsim 0.0.1, this is"),
        ({"package": "/elsewhere/dlsim_ij"}, "it runs the code in /elsewhere/dlsim_ij"),
    ],
)
def test_a_worker_of_another_version_is_not_used_and_one_line_says_so(another, facts, reason, capsys):
    another(**facts)
    assert run(SCORE) == 0
    err = capsys.readouterr().err
    assert err.startswith(f"note: the warm worker is not used: {reason}")
    assert err.count("\n") == 1
    assert run([*SCORE, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_file_that_is_open_to_others_is_not_used(another, capsys):
    another().file.chmod(0o644)
    assert run(SCORE) == 0
    assert "is open to other users" in capsys.readouterr().err


def test_a_worker_that_is_about_to_leave_is_done_without(another, capsys, monkeypatch):
    """It still holds its lock, and listens no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    another(port=port)
    monkeypatch.setattr(client, "connect", CONNECT)
    assert run(SCORE) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX-Job: 1\r\n\r\n", b"SSH-2.0-OpenSSH\r\n"])
def test_a_worker_that_is_lost_is_one_error_and_no_second_run(another, capsys, monkeypatch, answer):
    monkeypatch.setattr(client, "connect", CONNECT)
    with socket.create_server(("127.0.0.1", 0)) as server:
        another(port=server.getsockname()[1])

        def hang_up():
            connection, _ = server.accept()
            connection.recv(100_000)
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert run(SCORE) == 2
        thread.join()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(":")[0] for line in captured.err.splitlines()] == ["error", "hint"]
    assert "was lost in the middle of the job" in captured.err
