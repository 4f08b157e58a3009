"""`dlsim sample` against a server on this machine: whole, broken, silent, resumed."""

import functools
import hashlib
import json
import re
import socket
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dlsim_ij import sample_job
from dlsim_ij.cli.main import run

FILES = {
    "microtuble/HE_X2/Sample_1/HE_00.tif": b"II*\0 bright",
    "microtuble/LE_X2/Sample_1/LE_00.tif": b"II*\0 dark",
    "LICENSE": b"MIT",
}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the repository's folder with small files; their sums stand in for the real ones."""
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    monkeypatch.setattr(sample_job, "known_sums", lambda: sums)
    monkeypatch.setattr(sample_job, "_MORE_TRIES", 0)
    root = tmp_path / "copy"
    for name, data in FILES.items():
        path = root / name if name == "LICENSE" else root / "Testing_data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


@pytest.fixture
def server(copy):
    asked = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=copy)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}", asked
        http.shutdown()
        thread.join()


def sample(folder, url, *words):
    return run(["sample", "-o", str(folder), "--mirror", url, "-q", *words])


def left(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_sample_is_fetched_once_and_checked(server, tmp_path, capfd):
    url, asked = server
    assert sample(tmp_path / "out", url + "/", "--json") == 0
    row = json.loads(capfd.readouterr().out)
    assert (row["files"], row["downloaded"], row["source"]) == (3, 3, url)
    assert row["licence"].startswith("MIT")
    assert left(tmp_path / "out") == sorted(FILES)
    assert all((tmp_path / "out" / name).read_bytes() == data for name, data in FILES.items())
    assert len(asked) == 3
    (tmp_path / "out" / "LICENSE").unlink()  # as after an interruption
    assert sample(tmp_path / "out", url, "--json") == 0
    assert json.loads(capfd.readouterr().out)["downloaded"] == 1
    assert asked[3:] == ["/LICENSE"]


def test_a_changed_file_is_refused_and_nothing_half_written(server, copy, tmp_path, capfd):
    url, _ = server
    dark = copy / "Testing_data/microtuble/LE_X2/Sample_1/LE_00.tif"
    whole = dark.read_bytes()
    dark.write_bytes(b"something else")
    assert sample(tmp_path / "out", url) == 2
    assert "its SHA-256 is another one" in capfd.readouterr().err
    assert left(tmp_path / "out") == ["microtuble/HE_X2/Sample_1/HE_00.tif"]
    dark.unlink()
    assert sample(tmp_path / "out", url) == 2
    assert "404" in capfd.readouterr().err
    dark.write_bytes(whole)
    assert sample(tmp_path / "out", url) == 0
    assert left(tmp_path / "out") == sorted(FILES)


def test_other_files_are_not_replaced_unasked(server, tmp_path, capfd):
    url, asked = server
    mine = tmp_path / "out" / "LICENSE"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert sample(tmp_path / "out", url) == 2
    assert "--overwrite" in capfd.readouterr().err
    assert (mine.read_text(), asked) == ("mine", [])
    assert sample(tmp_path / "out", url, "--overwrite") == 0
    assert mine.read_bytes() == FILES["LICENSE"]


def test_without_network_the_message_says_what_to_do(copy, tmp_path, capfd):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert sample(tmp_path / "out", url) == 2
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].endswith("cannot be reached: no connection")
    assert "--mirror" in lines[1]
    assert len(lines) == 2
    assert sample(tmp_path / "out", "ftp://nowhere") == 2
    assert "no http address" in capfd.readouterr().err


def test_dry_run_writes_nothing(tmp_path, capfd):
    assert run(["sample", "-o", str(tmp_path / "out"), "--dry-run", "--json"]) == 0
    row = json.loads(capfd.readouterr().out)
    assert row["source"] == sample_job.SOURCE
    assert row["files"] == 35
    assert not (tmp_path / "out").exists()


def test_the_list_holds_plain_names_and_sums():
    sums = sample_job.known_sums()
    assert len(sums) == len(set(sums.values())) == 35
    assert all(re.fullmatch(r"[0-9a-f]{64}", total) for total in sums.values())
    assert not any(name.startswith("/") or ".." in name for name in sums)


@pytest.mark.sample
def test_the_sums_are_those_of_the_sample(sample_dir):
    for name, total in sample_job.known_sums().items():
        assert hashlib.sha256((sample_dir / name).read_bytes()).hexdigest() == total, name
