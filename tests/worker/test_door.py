"""Who is let in: wrong tokens, foreign hosts, web pages, and a thousand requests that are none."""

import asyncio
import json
import random
import socket
import sys
import urllib.parse
from pathlib import Path

import pytest

from dlsim_ij.worker import server

JOB = json.dumps({"arguments": ["models"], "folder": "/"})


def test_a_job_of_the_right_client_is_done(worker):
    code, body = worker.ask("POST", "/jobs", JOB)
    assert code == 200
    assert json.loads(body.splitlines()[-1]) == {"exit": 0}


@pytest.mark.parametrize("path", ["/status", "/run?arg=models", "/nothing", "/../../etc/passwd"])
@pytest.mark.parametrize(
    "token", [None, "", "Bearer", "Bearer wrong", "Bearer \xe9", "Basic {token}", "Bearer {token}x"]
)
def test_without_the_token_everything_is_refused_alike(worker, path, token):
    token = token and token.format(token=worker.place.read().token)
    code, body = worker.ask("GET", path, Authorization=token)
    assert (code, body) == (403, b"the token is missing or wrong\n")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_a_foreign_host_is_refused(worker, host):
    """A page whose name was made to lead to this machine still names its own host."""
    code, body = worker.ask("GET", "/status", Host=host.format(port=worker.place.read().port))
    assert code == 403
    assert b"Host" in body


@pytest.mark.parametrize(
    "header", [{"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Mode": "cors"}]
)
def test_a_page_in_the_browser_is_refused_even_with_the_token(worker, header):
    token = worker.place.read().token
    assert worker.ask("GET", f"/run?token={token}&arg=models", **header)[0] == 403
    assert worker.ask("POST", "/jobs", JOB, **header)[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/jobs", 405), ("PUT", "/jobs", 405), ("DELETE", "/status", 405), ("POST", "/status", 405),
        ("HEAD", "/status", 405), ("OPTIONS", "/jobs", 405), ("TRACE", "/jobs", 405), ("POST", "/run", 405),
        ("GET", "/stop", 405), ("GET", "/", 404), ("GET", "/nothing", 404), ("POST", "/jobs/7/nothing", 404),
        ("GET", "/../../../etc/passwd", 404), ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
        ("GET", "/status/../../etc/passwd", 404), ("GET", "//etc/passwd", 404), ("GET", "/status/", 404),
        ("POST", "/jobs/../stop", 404), ("POST", "/jobs/x/cancel", 404), ("POST", "/jobs/123456/cancel", 404),
        ("GET", "/run", 400), ("GET", "/run?id=1&arg=models&other=1", 400), ("GET", "/run?arg=models", 400),
        ("GET", "/run?id=1", 400), ("GET", "/run?id=1&arg=a&folder=x", 400),
    ],
)  # fmt: skip
def test_wrong_methods_and_paths_are_refused(worker, method, path, expected):
    assert worker.ask(method, path)[0] == expected


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"", {}, 400), (b"{", {}, 400), (b"\xff\xfe", {}, 400), (b"[]", {}, 400), (b"[" * 200_000, {}, 400),
        (json.dumps({"arguments": ["models"], "folder": "x"}), {}, 400),
        (JOB, {"Content_Type": "text/plain"}, 415), (JOB, {"Content_Type": None}, 415),
        (b" " * (9 * 2**20), {}, 413),
    ],
)  # fmt: skip
def test_bodies_that_are_no_job_are_refused(worker, body, headers, expected):
    assert worker.ask("POST", "/jobs", body, **headers)[0] == expected


def test_a_get_request_runs_a_command_for_a_macro(worker, folder):
    token = worker.place.read().token
    words = ["score", "--truth", "truth.npy", "--image", "image_0.npy", "--json"]
    facts = {"token": token, "folder": str(folder), "id": "a1"}
    query = urllib.parse.urlencode([*facts.items(), *(("arg", word) for word in words)])
    before = worker.status()["done"]
    for _ in range(2):  # ImageJ asks twice
        code, body = worker.ask("GET", f"/run?{query}", Authorization=None)
        assert code == 200
        assert json.loads(body)["image"] == "image_0.npy"
    assert worker.status()["done"] == before + 1


def memory_kb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def malformed(number, token, host):
    """Make one request that is none, by the number's kind, and repeatable."""
    rng = random.Random(number)
    noise = rng.randbytes(rng.randrange(1, 3000))
    good = f"Host: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n".encode()
    method = rng.choice(["GET", "POST", "PATCH", "CONNECT", "XYZZY", "get", "G\0T"]).encode()
    length = rng.choice([b"-1", b"99999999999999999999", b"x", b"5, 6", b"4096"])
    return [
        lambda: noise,
        lambda: method + b" " + noise[:50].replace(b" ", b"") + b" HTTP/1.1\r\n" + good + b"\r\n",
        lambda: b"GET /status HTTP/1.1\r\n" + good + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        lambda: b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + good + b"\r\n",
        lambda: b"GET /status HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(5000)) + b"\r\n",
        lambda: b"POST /jobs HTTP/1.1\r\n" + good + b"Content-Length: " + length + b"\r\n\r\n" + noise[:200],
        lambda: b"POST /jobs HTTP/1.1\r\n" + good + b"Content-Length: %d\r\n\r\n" % len(noise) + noise,
        lambda: b"POST /jobs HTTP/1.1\r\n" + good + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n" + noise,
        lambda: (
            b"POST /jobs HTTP/1.1\r\n"
            + good
            + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n123456789"
        ),
        lambda: rng.choice([b"", b"\r\n\r\n", b"\x16\x03\x01\x02\0\x01", b"GET / HTTP/9.9\r\n\r\n", b"GET"]),
    ][number % 10]()


def send(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(200)
        except ConnectionError:  # it has hung up before it had all, which is its right
            return b""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_thousand_malformed_requests_leave_it_as_it_was(worker):
    known = worker.place.read()
    before = worker.status()
    for number in range(1000):
        send(known.port, malformed(number, known.token, known.host))
    memory = memory_kb(known.pid)
    for number in range(1000, 2000):
        answer = send(known.port, malformed(number, known.token, known.host))
        assert answer == b"" or answer.split()[1][:1] == b"4", answer
    assert memory_kb(known.pid) < 1.05 * memory
    after = worker.status()
    assert (after["pid"], after["engine_pid"]) == (before["pid"], before["engine_pid"])
    assert after["job"] is None
    assert worker.ask("POST", "/jobs", JOB)[0] == 200
    assert "Traceback" not in worker.place.log.read_text()


def test_a_connection_that_asks_nothing_is_closed(monkeypatch, tmp_path):
    """Anybody on this machine may connect; nobody shall hold the worker's descriptors."""
    monkeypatch.setattr(server, "QUIET_SECONDS", 0.3)

    async def quiet():
        door = server.Server(None, "token", {}, lambda: None)
        port = await door.open(0)
        closing = asyncio.create_task(door.close_quiet_connections())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /status HTTP/1.1\r\nHost: x")  # and no more
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        closing.cancel()
        await door.close()
        return answer

    assert asyncio.run(quiet()) == b""
