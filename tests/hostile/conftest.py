"""What a refusal looks like: one clear line with advice, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dlsim_ij.errors import DlsimError, ImageError
from dlsim_ij.images import read_image


def check(error: DlsimError, words: str, folder: Path | str = "/nowhere") -> None:
    assert words in error.message.replace(str(folder), "")  # the folder's name tells what is tested
    assert "\n" not in error.message
    assert len(error.message) < 400
    assert error.hint
    assert "\n" not in error.hint
    for leak in ("Traceback", "<tifffile", "TiffPage", "0x7f", "Errno"):
        assert leak not in str(error)


@pytest.fixture(scope="session")
def check_refusal() -> Callable[..., None]:
    """Return a function that looks at an error; `words` must stand in its message."""
    return check


@pytest.fixture
def check_unusable(tmp_path, capfd, caplog) -> Callable[[Callable[[Path], Path], str], None]:
    """Return a function that reads what a builder puts into a folder, and looks at the refusal."""

    def read(builder: Callable[[Path], Path], words: str) -> None:
        path = builder(tmp_path)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ImageError) as caught:
            read_image(path)
        check(caught.value, words, tmp_path)
        assert str(tmp_path) in caught.value.message, "the message names the file"
        assert capfd.readouterr() == ("", ""), "nothing but the error"
        assert not [record for record in caplog.records if record.name.startswith("tifffile")]
        assert sorted(tmp_path.rglob("*")) == before

    return read
