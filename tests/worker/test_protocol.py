"""What is said on the wire."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.worker.protocol import MarkedStream, Request
from dlsim_ij.worker.wish import wish_of

MARK = b"\0" + bytes(range(1, 10)) + b"\0\0"


@given(
    st.lists(
        st.tuples(st.binary(max_size=30), st.binary(max_size=5).filter(lambda b: b"\n" not in b)), max_size=4
    ),
    st.lists(st.integers(1, 7), min_size=1, max_size=5),
)
def test_marks_are_found_however_the_pipe_cuts_the_output(jobs, sizes):
    jobs = [(text.replace(MARK, b""), fact.replace(MARK, b"")) for text, fact in jobs]
    whole = b"".join(text + MARK + fact + b"\n" for text, fact in jobs)
    stream, pieces, at, turn = MarkedStream(MARK), [], 0, 0
    while at < len(whole):
        size = sizes[turn % len(sizes)]
        pieces += stream.feed(whole[at : at + size])
        at, turn = at + size, turn + 1
    found, text = [], b""
    for kind, piece in pieces:
        if kind == "text":
            text += piece
        else:
            found.append((text, piece))
            text = b""
    assert found == jobs
    assert text == b""


def test_ordinary_text_is_passed_on_at_once():
    assert MarkedStream(MARK).feed(b"half a line") == [("text", b"half a line")]


@given(st.lists(st.binary(max_size=20).filter(lambda b: b"\0" not in b), max_size=5))
def test_words_of_any_bytes_survive(words):
    request = Request.here([os.fsdecode(word) for word in words])
    assert Request.from_json(request.to_json()) == request


GOOD = {"arguments": ["models"], "folder": "/"}


@pytest.mark.parametrize(
    "wrong",
    [
        [], "x", 1, None, {}, {"arguments": ["models"]}, {"folder": "/"}, {**GOOD, "extra": 1},
        {**GOOD, "arguments": "models"}, {**GOOD, "arguments": [1]}, {**GOOD, "arguments": ["a\0b"]},
        {**GOOD, "arguments": ["\ud800"]}, {**GOOD, "folder": "relative"}, {**GOOD, "folder": 1},
        {**GOOD, "settings": {"LD_PRELOAD": "x"}}, {**GOOD, "settings": {"PATH": "/tmp"}},
        {**GOOD, "settings": {"DLSIM_FIJI": 1}}, {**GOOD, "settings": []}, {**GOOD, "umask": -1},
        {**GOOD, "umask": True}, {**GOOD, "umask": "0"}, {**GOOD, "encoding": "no-such"},
        {**GOOD, "errors": "no-such\0"}, {**GOOD, "out_is_terminal": 1},
    ],
)  # fmt: skip
def test_what_is_no_job_is_refused(wrong):
    with pytest.raises(ValueError, match=r"\w"):
        Request.from_json(json.dumps(wrong).encode())


def test_deep_nesting_is_refused():
    with pytest.raises(ValueError, match="nested"):
        Request.from_json(b"[" * 100_000)


@pytest.mark.parametrize(
    ("words", "settings", "met"),
    [
        (["macro", "a.ijm"], {}, True),
        (["macro", "a.ijm", "--engine", "imagej"], {}, False),
        (["macro", "a.ijm", "--fiji=/opt/Fiji"], {}, False),
        (["run", "a.tif"], {"DLSIM_FIJI": "/opt/Fiji"}, False),
        (["run", "a.tif", "--engine", "none"], {"DLSIM_FIJI": "/opt/Fiji"}, True),
        (["run", "a.tif"], {"DLSIM_JAVA_HEAP": "8g"}, False),
        (["score"], {"DLSIM_JAVA_HEAP": "8g"}, True),
        (["score"], {"CUDA_VISIBLE_DEVICES": "1"}, False),
        (["macro", "--", "--engine"], {}, True),
    ],
)
def test_a_job_goes_to_the_engine_only_with_the_java_it_asks_for(words, settings, met):
    assert wish_of(words, settings).is_met_by(wish_of(["run", "b.tif"], {})) is met
