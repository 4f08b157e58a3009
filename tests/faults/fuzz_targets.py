"""Readers of every kind of file and text that comes from outside, and what must hold afterwards.

Each target makes a few good inputs, and takes a damaged one. It may refuse it with a `DlsimError` (or what
its own documentation says), or take it; then it looks whether taking it was right.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from fuzz_mutations import mutate_bytes, mutate_json, mutate_text_bytes

ROOT = Path(__file__).resolve().parents[2]
Mutate = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """A reader: `seeds` makes good inputs in a folder, `feed` reads a damaged one there."""

    name: str
    seeds: Callable[[Path], list[bytes]]
    mutate: Mutate
    feed: Callable[[Path, bytes, bytes], None]
    refusals: tuple[type[Exception], ...] = ()


class WrongSuccess(AssertionError):
    """A damaged input was taken for something that it cannot be."""


class Refused(Exception):
    """A command ended with exit code 2, an error and a hint."""


def require(condition: bool, what: str) -> None:
    if not condition:
        raise WrongSuccess(what)


def _saved(folder: Path, write: Callable[[Path], object], name: str = "x.tif") -> bytes:
    path = folder / name
    write(path)
    data = path.read_bytes()
    path.unlink()
    return data


def _stack() -> np.ndarray:
    y, x = np.mgrid[:24, :32]
    return np.stack([100 + 50 * np.sin(0.3 * x + n) + 3 * y for n in range(15)]).astype(np.uint16)


# images ------------------------------------------------------------------------------------------------


def _tiffs(folder: Path) -> list[bytes]:
    stack = _stack()
    rgb = np.stack([stack[0] % 256] * 3, -1).astype(np.uint8)
    grey = {"axes": "ZYX", "unit": "um", "spacing": 0.2}
    tiled = {"tile": (16, 16), "compression": "zlib", "bigtiff": True}
    strips = {"compression": "zlib", "predictor": True, "rowsperstrip": 5, "byteorder": ">"}
    writers: list[Callable[[Path], object]] = [
        lambda p: tifffile.imwrite(p, stack),
        lambda p: tifffile.imwrite(p, stack, imagej=True, metadata=grey),
        lambda p: tifffile.imwrite(p, stack, ome=True, metadata={"axes": "TYX", "PhysicalSizeX": 0.06}),
        lambda p: tifffile.imwrite(p, stack.astype(np.float32), **tiled),
        lambda p: tifffile.imwrite(p, stack, **strips),
        lambda p: tifffile.imwrite(p, rgb, photometric="rgb"),
    ]
    return [_saved(folder, write) for write in writers]


def _read_image(folder: Path, data: bytes, name: str, ratio: float) -> None:
    from dlsim_ij.images import read_image

    path = folder / name
    path.write_bytes(data)
    image = read_image(path)
    values = image.values  # all of it, as a verb would read it
    require(values.size > 0, "an image without pixels")
    # no pixel comes from nowhere: deflate packs 1032 bytes into one, the others none
    require(values.nbytes <= ratio * len(data) + 64, f"{values.nbytes} bytes out of a file of {len(data)}")
    for key in ("pixel_size_um", "z_step_um", "frame_interval_s"):
        size = image.attrs.get(key)
        require(size is None or (math.isfinite(size) and size > 0), f"{key} {size}")


def _feed_tiff(folder: Path, data: bytes, good: bytes) -> None:
    _read_image(folder, data, "x.tif", 1032)


def _feed_numpy(folder: Path, data: bytes, good: bytes) -> None:
    _read_image(folder, data, "x.npy", 1)


def _numpy_files(folder: Path) -> list[bytes]:
    stack = _stack()
    arrays = [stack, stack[0].astype(np.float32), np.asfortranarray(stack), stack.astype(">u2")]
    return [_saved(folder, lambda p, a=array: np.save(p, a), "x.npy") for array in arrays]


def _ome_texts(folder: Path) -> list[bytes]:
    data = _saved(
        folder,
        lambda p: tifffile.imwrite(
            p, _stack().reshape(3, 5, 24, 32), ome=True,
            metadata={"axes": "TZYX", "PhysicalSizeX": 0.06, "PhysicalSizeY": 0.06, "PhysicalSizeZ": 0.2,
                      "TimeIncrement": 0.5, "Name": "cell"},
        ),
    )  # fmt: skip
    path = folder / "ome.tif"
    path.write_bytes(data)
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata
    path.unlink()
    return [text.encode()]


def _feed_description(folder: Path, data: bytes, good: bytes) -> None:
    path = folder / "x.tif"
    tifffile.imwrite(path, _stack(), description=data.replace(b"\0", b" "), metadata=None)
    _read_image(folder, path.read_bytes(), "x.tif", 1)


def _imagej_texts(folder: Path) -> list[bytes]:
    return [
        b"ImageJ=1.53t\nimages=15\nchannels=1\nslices=3\nframes=5\nhyperstack=true\nmode=grayscale\n"
        b"unit=micron\nspacing=0.2\nfinterval=0.5\nmin=0.0\nmax=300.0\nloop=false\n",
        b"ImageJ=1.53t\nimages=15\nunit=\\u00B5m\nvunit=pixel\ncf=1\nc0=0.5\nc1=2.0\n",
    ]


# JSON, YAML --------------------------------------------------------------------------------------------


def _file(*places: str) -> Callable[[Path], list[bytes]]:
    return lambda folder: [path.read_bytes() for place in places for path in sorted(ROOT.glob(place))]


def _feed_config(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.config import read_settings
    from dlsim_ij.training.settings import TrainingConfig

    (folder / "x.yaml").write_bytes(data)
    config = read_settings(folder / "x.yaml", TrainingConfig)
    require(config.optimiser.lr > 0 and math.isfinite(config.optimiser.lr), f"lr {config.optimiser.lr}")
    require(config.batch_size > 0 and config.patch_px > 0, "no batch, or no patch")


def _command(folder: Path) -> Callable[..., int]:
    from dlsim_ij.cli.main import run

    def call(*words: object) -> int:
        with (
            open(folder / "said.txt", "w+") as said,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            code = run([str(word) for word in words])
            said.seek(0)
            text = said.read()
        require("Traceback" not in text and "this is a bug" not in text, text[-400:])
        if code == 2:
            require(text.count("error: ") == 1 and text.count("hint: ") == 1, f"said: {text[-400:]}")
            raise Refused(text)
        return code

    return call


def _made(folder: Path, *words: str) -> Path:
    out = folder / "made"
    shutil.rmtree(out, ignore_errors=True)
    require(_command(folder)(*words, "-o", out, "-q") == 0, f"dlsim {' '.join(words)} failed")
    return out


def _recon_parameters(folder: Path) -> list[bytes]:
    made = _made(folder, "recon", str(_raw(folder)))
    return [next(made.glob("*_wiener.json")).read_bytes()]


def _raw(folder: Path) -> Path:
    path = folder / "raw.tif"
    if not path.exists():
        tifffile.imwrite(path, _demo())
    return path


def _demo() -> np.ndarray:
    return tifffile.imread(ROOT / "examples" / "demo_raw.tif")[:, :64, :64]


def _feed_recon(folder: Path, data: bytes, good: bytes) -> None:
    (folder / "x.json").write_bytes(data)
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    words = ("recon", _raw(folder), "--parameters", folder / "x.json", "-o", out, "-q")
    try:
        require(_command(folder)(*words) == 0, "neither done nor refused")
    except Refused:
        require(not out.exists() or not any(out.iterdir()), "refused, but there are files")
        raise
    values = tifffile.imread(next(out.glob("*_wiener.tif")))
    require(bool(np.isfinite(values).all()), "an image with nan")


def _simulated_parameters(folder: Path) -> list[bytes]:
    made = _made(folder, "simulate", "--size", "32")
    return [next(made.glob("*_parameters.json")).read_bytes()]


def _feed_simulation(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.cli.simulate_inputs import read_parameters

    (folder / "x.json").write_bytes(data)
    read_parameters(folder / "x.json")


def _run_records(folder: Path) -> list[bytes]:
    made = _made(folder, "run", str(_raw(folder)), "--engine", "none")
    return [next(made.rglob("*_run.json")).read_bytes()]


def _feed_record(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.report.records import load_record

    place = next((folder / "made").rglob("*_sr.tif")).parent
    (place / "raw_run.json").write_bytes(data)
    record = load_record(place / "raw_run.json")
    require(bool(record.name), "a record without a name")
    for image in record.images.values():
        inside = image.file is None or (place / image.file).resolve().is_relative_to(place.resolve())
        require(inside, f"a file outside of the folder: {image.file}")


def _curves(folder: Path) -> list[bytes]:
    made = _made(folder, "run", str(_raw(folder)), "--engine", "none")
    return [path.read_bytes() for path in made.rglob("*_curves.json")]


def _feed_curves(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.report.curves import load_curves

    (folder / "x.json").write_bytes(data)
    load_curves(folder / "x.json")


# models, datasets, trainings ---------------------------------------------------------------------------

_WEIGHTS = ROOT / "dlsim_ij" / "bundles" / "weights"


def _bundle(folder: Path, name: str) -> Path:
    place = folder / "model"
    if not place.exists():
        shutil.copytree(_WEIGHTS / name, place)
    return place


def _cards(folder: Path) -> list[bytes]:
    _bundle(folder, "sim15")
    return [(folder / "model" / "model.json").read_bytes()]


def _feed_card(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.inference import load_model

    (_bundle(folder, "sim15") / "model.json").write_bytes(data)
    model = load_model(folder / "model")
    require(model.card.scale >= 1, f"scale {model.card.scale}")


def _weights(folder: Path) -> list[bytes]:
    return [next(_bundle(folder, "sim15").glob("*.safetensors")).read_bytes()]


def _feed_weights(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.inference import load_model

    next(_bundle(folder, "sim15").glob("*.safetensors")).write_bytes(data)
    load_model(folder / "model")
    require(data == good, "weights that are not those of the card")


def _tensors(folder: Path) -> list[bytes]:
    from safetensors.numpy import save

    header = {"format": "1", "about": json.dumps({"step": 1})}
    return [save({"raw": _stack(), "truth": np.ones((2, 48, 64), np.float32)}, metadata=header)]


def _feed_field(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.datasets.field_file import open_field, read_header

    (folder / "x.safetensors").write_bytes(data)
    read_header(folder / "x.safetensors")
    tensors = open_field(folder / "x.safetensors")
    require(sum(t.nbytes for t in tensors.values()) <= len(data), "more pixels than the file holds")
    for tensor in tensors.values():
        float(np.asarray(tensor, dtype=np.float64).sum())


def _checkpoints(folder: Path) -> list[bytes]:
    import torch

    from dlsim_ij.training.checkpoint import save_checkpoint

    tensors = {"network/a": torch.ones(4, 3), "optimiser/a": torch.zeros(4)}
    return [_saved(folder, lambda p: save_checkpoint(p, tensors, {"step": 3, "best": 0.25}), "x.safetensors")]


def _feed_checkpoint(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.training.checkpoint import load_checkpoint

    (folder / "x.safetensors").write_bytes(data)
    _, values = load_checkpoint(folder / "x.safetensors")
    require(isinstance(values, dict), f"values of a checkpoint that are a {type(values).__name__}")


def _indices(folder: Path) -> list[bytes]:
    raw = folder / "raw_fields" / "HE"
    truth = folder / "raw_fields" / "HER"
    for place, image in ((raw, _stack()), (truth, np.repeat(np.repeat(_stack()[0], 2, 0), 2, 1))):
        place.mkdir(parents=True, exist_ok=True)
        for n in range(4):
            tifffile.imwrite(place / f"cell_{n:02}.tif", image + np.uint16(n))
    made = _made(folder, "prepare", str(raw.parent), "--tile-px", "16", "--engine", "none")
    return [(made / "dataset.json").read_bytes()]


def _feed_index(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.datasets.index import read_index

    (folder / "made" / "dataset.json").write_bytes(data)
    index = read_index(folder / "made")
    require(index.tile_px > 0 and index.frames > 0, "tiles or frames of size 0")
    for entry in index.fields:
        require(
            not Path(entry.file).is_absolute() and ".." not in Path(entry.file).parts,
            f"a file at {entry.file}",
        )


def _option_texts(folder: Path) -> list[bytes]:
    return [
        b"wiener filter=vendor wiener=0.1 pixel_size=0.06 na=1.49 emission_nm=525 layout=3x5 phases=known",
        b"predict model=sim15 pixel_size=0.06 tile_px=64 uncertainty=true",
        b"srrf radius=0.5 magnification=2 axes=6 frames_per_time_point=15 mode=TRA drift=none",
        b"esrrf magnification=2 radius=1.5 sensitivity=1 mode=AVG block=5",
        b"resolution pixel_size=0.05 nr=20 ng=5 rmin=0 rmax=1 guard=false",
        b"check pixel_size=0.06 na=1.49 emission_nm=525 layout=3x5",
        b"score truth=other",
        b"squirrel reference='other' mode=exact sigma=2 register=true",
    ]


class _Scene:
    """One image and a square of it."""

    def image(self, name: str) -> Any:
        return _as_image(_demo()[:1])

    def shown_plane(self, name: str | None = None) -> int:
        return 0

    def selection(self) -> None:
        return None

    def progress(self, done: int, total: int) -> None:
        pass


def _as_image(values: np.ndarray) -> Any:
    import xarray as xr

    return xr.DataArray(values, dims=("T", "Y", "X"), attrs={"pixel_size_um": 0.06})


def _feed_options(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.fiji import Options
    from dlsim_ij.verbs import macro_verbs

    verb, _, text = data.decode("utf-8", "replace").partition(" ")
    verbs = macro_verbs()
    if verb in verbs:
        image = _as_image(_demo()[:1] if verb in ("resolution", "score", "squirrel") else _demo())
        verbs[verb](image, Options(verb, text, _Scene()))  # type: ignore[arg-type]


def _requests(folder: Path) -> list[bytes]:
    from dlsim_ij.worker.protocol import Request

    given = {
        "arguments": ["predict", "raw.tif", "-o", "out"],
        "folder": "/data",
        "umask": 18,
        "settings": {"DLSIM_FIJI": "/opt/Fiji.app"},
        "encoding": "utf-8",
        "errors": "strict",
    }
    return [Request.from_json(json.dumps(given).encode()).to_json()]


def _feed_request(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.worker.protocol import Request

    asked = Request.from_json(data)
    require(all(isinstance(word, str) for word in asked.arguments), "arguments that are no words")
    require(Request.from_json(asked.to_json()) == asked, "a request that changes on its way")


_worker: list[Any] = []


def _http_requests(folder: Path) -> list[bytes]:
    """Start a worker of our own, and return requests that it answers."""
    from dlsim_ij.worker.place import Place

    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "DLSIM_WORKER": "on"}
    words = [sys.executable, "-m", "dlsim_ij", "serve", "--json", "--idle-minutes", "1"]
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    assert process.stdout is not None
    process.stdout.readline()  # it listens now
    place = json.loads(Path(Place(folder / "dlsim").file).read_text())
    host = f"Host: 127.0.0.1:{place['port']}\r\nConnection: close\r\n"
    token = f"Authorization: Bearer {place['token']}\r\n"
    body = json.dumps({"arguments": ["models"], "folder": "/"})
    form = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    _worker[:] = [process, place["port"]]
    return [
        f"GET /status HTTP/1.1\r\n{host}{token}\r\n".encode(),
        f"GET /run?token={place['token']}&arg=models&id=7 HTTP/1.1\r\n{host}\r\n".encode(),
        f"POST /jobs HTTP/1.1\r\n{host}{token}{form}\r\n{body}".encode(),
    ]


def _feed_http(folder: Path, data: bytes, good: bytes) -> None:
    process, port = _worker
    with socket.create_connection(("127.0.0.1", port), timeout=60 if data == good else 0.5) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError):  # it may wait for the rest of a request
            connection.sendall(data)
            while piece := connection.recv(65536):
                answer += piece
    require(process.poll() is None, "the worker has ended")
    if not answer:
        raise Refused("the connection was closed")
    status = int(answer.split(None, 2)[1])
    require(status < 500, f"answered {answer[:200]!r}")
    if status >= 400:
        raise Refused(f"{status}")
    right = place_of(good, b"Bearer ") or place_of(good, b"token=")
    require(right in data, "let in without the token")


def place_of(request: bytes, mark: bytes) -> bytes:
    """Return the word behind a mark."""
    return request.partition(mark)[2].split(b"\r")[0].split(b"&")[0]


TARGETS = [
    Target("TIFF files", _tiffs, mutate_bytes, _feed_tiff),
    Target("OME-XML of a TIFF", _ome_texts, mutate_text_bytes, _feed_description),
    Target("ImageJ's notes of a TIFF", _imagej_texts, mutate_text_bytes, _feed_description),
    Target("npy files", _numpy_files, mutate_bytes, _feed_numpy),
    Target("training settings (YAML)", _file("configs/*.yaml"), mutate_text_bytes, _feed_config),
    Target("parameters of recon (JSON)", _recon_parameters, mutate_json, _feed_recon, (Refused,)),
    Target("parameters of simulate (JSON)", _simulated_parameters, mutate_json, _feed_simulation),
    Target("records of a run (JSON)", _run_records, mutate_json, _feed_record),
    Target("curves of a run (JSON)", _curves, mutate_json, _feed_curves),
    Target("model cards (JSON)", _cards, mutate_json, _feed_card),
    Target("weights (safetensors)", _weights, mutate_bytes, _feed_weights),
    Target("prepared fields (safetensors)", _tensors, mutate_bytes, _feed_field),
    Target("index of a dataset (JSON)", _indices, mutate_json, _feed_index),
    Target("training checkpoints (safetensors)", _checkpoints, mutate_bytes, _feed_checkpoint),
    Target("arguments of Ext.dlsim", _option_texts, mutate_text_bytes, _feed_options),
    Target("jobs of the worker (JSON)", _requests, mutate_json, _feed_request, (ValueError,)),
    Target("HTTP requests to the worker", _http_requests, mutate_bytes, _feed_http, (Refused,)),
]
