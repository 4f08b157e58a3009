"""Java in the worker, and the worker from a macro."""

import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MACRO = re.compile(r"^```javascript\n(.*?)^```", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.jvm


def test_java_stays_from_macro_to_macro(worker, folder):
    (folder / "count.ijm").write_text('newImage("a", "8-bit black", 8, 8, 1); return "" + nImages;')
    (folder / "stop.ijm").write_text('return "" + nothing;')
    answers = [worker.command("macro", "count.ijm", "--engine", "imagej", folder=folder) for _ in range(2)]
    assert answers == [(0, "1\n", "")] * 2
    told = worker.status()
    assert told["java"]
    code, out, err = worker.command("macro", "stop.ijm", "--engine", "imagej", folder=folder)
    assert (code, out) == (2, "")
    assert err.startswith("error: stop.ijm line 1: ")
    assert worker.status()["engine_pid"] == told["engine_pid"]


def test_a_job_that_asks_for_another_java_gets_it(worker, folder):
    """In one process it would be refused: a Java starts once."""
    (folder / "memory.ijm").write_text("return IJ.maxMemory();")

    def heap(size):
        code, out, err = worker.command(
            "macro", "memory.ijm", "--engine", "imagej", folder=folder, DLSIM_JAVA_HEAP=size
        )
        assert code == 0, err
        return float(out)

    small, engine = heap("200m"), worker.status()["engine_pid"]
    large = heap("400m")
    assert 1.6 < large / small < 2.4
    assert worker.status()["engine_pid"] != engine


def test_the_macro_of_the_page_asks_the_worker(fiji, worker):
    code = MACRO.search((ROOT / "docs" / "worker.md").read_text(encoding="utf-8")).group(1)
    _, out, _ = worker.command("serve", "--status", "--json")
    before = worker.status()["done"]
    for _ in range(2):
        card = json.loads(fiji.run_macro(code, out).value)
        assert card["models"][0]["name"] == "sim15"
    assert worker.status()["done"] == before + 2  # though ImageJ asks every URL twice
    assert os.fspath(worker.place.file) in out
