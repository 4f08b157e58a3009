"""Whose files are trusted, and which are stale."""

import os
import stat
import sys

import pytest

from dlsim_ij.errors import WorkerError
from dlsim_ij.worker.place import PACKAGE, Place, WorkerFile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes are POSIX")

FILE = WorkerFile(port=1, token="secret", pid=1, version="0", package=PACKAGE)


@pytest.fixture
def place(tmp_path):
    own = Place(tmp_path / "dlsim")
    own.prepare()
    return own


def test_the_file_is_for_us_alone_and_is_read_while_its_worker_lives(place):
    with place.worker_lock() as free:
        assert free
        place.write(FILE)
        assert stat.S_IMODE(os.stat(place.file).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(place.folder).st_mode) == 0o700
        assert place.read() == FILE
        assert place.worker_lives()
        with Place(place.folder).worker_lock(patience_seconds=0) as second:
            assert not second


def test_a_file_whose_worker_is_dead_is_removed(place):
    place.write(FILE)  # nobody holds the lock, whatever process 1 is
    assert place.read() is None
    assert not place.file.exists()
    assert not place.worker_lives()


def test_no_folder_is_no_worker(tmp_path):
    assert Place(tmp_path / "nothing").read() is None
    assert not (tmp_path / "nothing").exists()


def test_what_belongs_to_another_user_is_refused(place, monkeypatch):
    place.write(FILE)
    monkeypatch.setattr(os, "getuid", lambda: os.stat(place.file).st_uid + 1)
    with pytest.raises(WorkerError, match="belongs to another user"):
        place.read()
    with pytest.raises(WorkerError, match="belongs to another user"):
        place.prepare()


@pytest.mark.parametrize(
    ("which", "mode"), [("folder", 0o755), ("folder", 0o770), ("file", 0o640), ("file", 0o604)]
)
def test_what_is_open_to_others_is_refused(place, which, mode):
    place.write(FILE)
    getattr(place, which).chmod(mode)
    with pytest.raises(WorkerError, match=f"open to other users .mode {mode:o}."):
        place.read()


def test_a_link_in_place_of_folder_or_file_is_refused(place, tmp_path):
    place.write(FILE)
    link = tmp_path / "link"
    link.symlink_to(place.folder)
    with pytest.raises(WorkerError, match="not what a worker makes"):
        Place(link).read()
    moved = place.file.rename(tmp_path / "elsewhere.json")
    place.file.symlink_to(moved)
    with pytest.raises(WorkerError, match="cannot read"):
        place.read()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"port": 1}', "\0\0", "x" * 100_000])
def test_nonsense_in_the_file_is_an_error_not_a_crash(place, text):
    with place.worker_lock():
        place.write(FILE)
        place.file.write_text(text)
        with pytest.raises(WorkerError, match="is not the file of a worker"):
            place.read()


def test_the_folder_is_that_of_the_system_if_it_is_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert Place().folder == tmp_path / "dlsim"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    assert Place().folder.name == f"dlsim-{os.getuid()}"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: os.stat(tmp_path).st_uid + 1)
    assert Place().folder.name == f"dlsim-{os.getuid()}"


def test_what_a_dead_engine_left_is_removed_and_nothing_else(place, tmp_path):
    left, precious = tmp_path / ".cell_sr.0123.part.tif", tmp_path / "precious.tif"
    for path in (left, precious):
        path.write_text("x")
        place.note_temporary(path)
    with open(place.temporaries, "a") as file:
        file.write('"half a li')
    with place.engine_lock(0):
        assert not place.remove_temporaries()
        assert left.exists()
    assert place.remove_temporaries()
    assert not left.exists()
    assert precious.exists()
    assert not place.temporaries.exists()
