"""What several rooms' tests share: the one Java of the run, the public sample, a browser."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).parents[1]

# A change is tested with the same examples as the one before it; `make explore` looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# A shell starts background jobs with Ctrl-C ignored, and every process below inherits that: the tests that
# interrupt something would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_worker_of_the_user(tmp_path_factory) -> Iterator[None]:
    """Leave a warm worker that the user of this machine has alone: it runs other code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLSIM_WORKER", "off")
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        yield


@pytest.fixture(autouse=True)
def _own_logger() -> None:
    """Undo what command lines run in this process did to our logger, those of wider fixtures too."""
    logger = logging.getLogger("dlsim_ij")
    logger.handlers[:], logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def _same_random_weights() -> None:
    """Draw the same weights in every run: a test of random networks must not fail now and then."""
    if "torch" in sys.modules:  # not imported for tests that do without
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def fiji() -> Iterator[object]:
    """The one Java of this run, with a plain ImageJ; a missing ImageJ is a failure, not a skip.

    It cannot be restarted, so no test may close it. It is closed here and not left to the exit of Python,
    where pytest's own exit code would be at stake.
    """
    from dlsim_ij.fiji import Fiji
    from dlsim_ij.fiji.launch import close

    engine = Fiji(engine="imagej").start()
    yield engine
    close()


@pytest.fixture(scope="session")
def sample_dir() -> Path:
    """Folder of the public microtubule sample; tests that use it carry the marker `sample`."""
    named = os.environ.get("DLSIM_SAMPLE")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data" / "microtubule-sample"
    if not folder.is_dir():
        pytest.skip(f"the microtubule sample is not at {folder}; set DLSIM_SAMPLE")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a headless Chromium; tests that use it carry the marker `browser`."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        path = shutil.which(name)
        if path is not None:
            return path
    pytest.skip("no Chromium is installed: apt install chromium")
