"""A screen for ImageJ where there is none: an Xvfb of our own that ends with us, whatever happens."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import sys

from dlsim_ij.errors import FijiError

logger = logging.getLogger(__name__)

START_SECONDS = 15.0


def has_display() -> bool:
    """Whether Java can open windows here.

    Linux: DISPLAY names a server that answers. Windows: always. macOS: no, since its windows want the main
    thread, which Python keeps.
    """
    if sys.platform == "win32":
        return True
    return sys.platform != "darwin" and bool(os.environ.get("DISPLAY")) and _answers(os.environ["DISPLAY"])


def can_make_display() -> bool:
    """Whether Xvfb is installed."""
    return sys.platform.startswith("linux") and shutil.which("Xvfb") is not None


def _answers(display: str) -> bool:
    match = re.fullmatch(r"(?:unix)?(?P<host>[^:/]*)(?:/unix)?:(?P<number>\d+)(\.\d+)?", display)
    if match is None:
        return False
    number = int(match["number"])
    places: list[tuple[socket.AddressFamily, str | tuple[str, int]]]
    if match["host"]:
        places = [(socket.AF_INET, (match["host"], 6000 + number))]
    else:
        path = f"/tmp/.X11-unix/X{number}"
        places = [(socket.AF_UNIX, "\0" + path), (socket.AF_UNIX, path)]
    for family, address in places:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            try:
                probe.connect(address)
            except OSError:
                continue
            return True
    return False


class VirtualDisplay:
    """An Xvfb with a free display number.

    It is started in a session of its own, so that Ctrl-C in the terminal does not reach it before Java, and
    with ``-terminate``, so that it ends by itself when its only client, this process, is gone: also after
    SIGTERM or SIGKILL, when no Python code runs any more.
    """

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self.name: str | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the server."""
        return self._server.pid if self._server else None

    def start(self) -> str:
        """Start the server and return its name, such as ``:1``.

        Raises
        ------
        FijiError
            Xvfb is missing or does not come up; its own words are in the message.
        """
        program = shutil.which("Xvfb")
        if program is None:
            raise FijiError("Xvfb is not installed", "apt install xvfb")
        reader, writer = os.pipe()
        try:
            self._server = subprocess.Popen(
                [program, "-displayfd", str(writer), "-screen", "0", "1280x1024x24",
                 "-nolisten", "tcp", "-terminate"],
                pass_fds=[writer],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            os.close(writer)
            writer = -1
            number = self._read_number(reader)
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)
        self.name = f":{number}"
        logger.info("started Xvfb %s (process %d)", self.name, self._server.pid)
        return self.name

    def _read_number(self, reader: int) -> int:
        import select

        assert self._server is not None
        text = b""
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([reader], [], [], START_SECONDS)
            piece = os.read(reader, 16) if ready else b""
            if not piece:
                self._server.kill()
                _, words = self._server.communicate()
                self._server = None
                said = words.decode(errors="replace").strip().splitlines()
                raise FijiError(
                    f"Xvfb did not start: {said[-1] if said else 'no answer'}", "try it by hand: Xvfb :99"
                )
            text += piece
        return int(text)

    def stop(self) -> None:
        """End the server and collect it."""
        if self._server is None:
            return
        self._server.terminate()
        try:
            self._server.wait(5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        if self._server.stderr is not None:
            self._server.stderr.close()
        self._server = None
