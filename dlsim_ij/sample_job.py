"""The public sample: one microtubule field under normal and low light, from its authors' repository.

It is the only image data that came with the code of Jin et al. (:doi:`10.1038/s41467-020-15784-x`), and too
large, and not ours, to be part of this package. Every file is checked against ``sample.sha256``, whose sums
were compared with the repository's own objects at that commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from dlsim_ij.errors import ConfigError, DataError, OutputError
from dlsim_ij.files import make_folder
from dlsim_ij.results import Result

COMMIT = "b96e4dc623cceeef3c2225b7ca8e9a2525863d7c"
SOURCE = f"https://raw.githubusercontent.com/drbeiliu/DeepLearning/{COMMIT}"
LICENCE = "MIT, (c) 2019 Bei Liu"

_FOLDER_THERE = "Testing_data"
_LICENCE_FILE = "LICENSE"  # beside that folder
_SECONDS_OF_SILENCE = 30
_MORE_TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Result):
    """The sample, whole and checked.

    Attributes
    ----------
    folder : Path
        Holds ``microtuble/HE_X2/Sample_1/HE_00.tif`` and so on, as the repository spells it.
    files : int
        How many there are.
    downloaded : int
        How many of them were not there yet.
    source : str
        Where they come from.
    licence : str
    """

    folder: Path
    files: int
    downloaded: int
    source: str
    licence: str = LICENCE


def known_sums() -> dict[str, str]:
    """Return the SHA-256 of every file of the sample, by its path below the folder."""
    text = (files("dlsim_ij") / "sample.sha256").read_text(encoding="utf-8")
    return {name: total for total, name in (line.split("  ", 1) for line in text.splitlines())}


def fetch_sample(
    folder: Path,
    *,
    mirror: str | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Sample:
    """Fetch what is missing of the sample.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    mirror : str, optional
        http or https address of a copy of the repository's folder, in place of `SOURCE`.
    overwrite : bool
        Replace files that are there and are others than the sample's.
    progress : callable, optional
        Called with the number of files done and of all.

    Returns
    -------
    Sample

    Raises
    ------
    ConfigError
        The mirror is no address.
    DataError
        A file cannot be fetched, or is not the one whose sum is known.
    OutputError
        The folder cannot be written, or another file is in the way.

    Notes
    -----
    Each file is written beside its place and moved there when its sum is right. What was fetched is kept
    when the rest fails, and the next call goes on from there.
    """
    source = (mirror or SOURCE).rstrip("/")
    if not source.startswith(("http://", "https://")):
        raise ConfigError(
            f"the mirror '{source}' is no http address", "for example http://localhost:8000/copy"
        )
    sums = known_sums()
    missing = [name for name, total in sums.items() if not _is_there(folder / name, total, overwrite)]
    make_folder(folder)
    if missing:
        _fetch(folder, source, {name: sums[name] for name in missing}, len(sums), progress)
    return Sample(folder=folder, files=len(sums), downloaded=len(missing), source=source)


def _is_there(path: Path, total: str, overwrite: bool) -> bool:
    try:
        with open(path, "rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == total
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(f"{path} is in the way: {error.strerror}", "give another -o") from error
    if not same and not overwrite:
        raise OutputError(
            f"{path} exists already and is not the sample's", "give another -o, or allow it with --overwrite"
        )
    return same


def _fetch(
    folder: Path,
    source: str,
    wanted: dict[str, str],
    n_files: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    import pooch

    pooch.get_logger().setLevel("ERROR")
    registry = pooch.create(
        path=folder,
        base_url="",
        registry={name: f"sha256:{total}" for name, total in wanted.items()},
        urls={name: _address(source, name) for name in wanted},
        retry_if_failed=_MORE_TRIES,
    )
    downloader = pooch.HTTPDownloader(timeout=_SECONDS_OF_SILENCE)
    for number, name in enumerate(wanted, start=1):
        with _explained(_address(source, name), folder / name):
            registry.fetch(name, downloader=downloader)
        if progress is not None:
            progress(n_files - len(wanted) + number, n_files)


def _address(source: str, name: str) -> str:
    return f"{source}/{name}" if name == _LICENCE_FILE else f"{source}/{_FOLDER_THERE}/{name}"


@contextmanager
def _explained(address: str, path: Path) -> Iterator[None]:
    """Turn what pooch and requests raise into what to do."""
    import requests

    try:
        yield
    except requests.HTTPError as error:
        raise DataError(f"{address} cannot be fetched: {error}", "is the mirror a whole copy?") from error
    except requests.RequestException as error:
        reason = "no answer in time" if isinstance(error, requests.Timeout) else "no connection"
        raise DataError(
            f"{address} cannot be reached: {reason}",
            "without network: copy the folder from elsewhere, or give --mirror URL of a copy near you",
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", "check space and permissions") from error
    except ValueError as error:  # pooch, of a sum that is wrong
        raise DataError(
            f"{address} is not the file of the sample: its SHA-256 is another one",
            "try again; if it stays so, use another mirror",
        ) from error
