"""From a model to the zip: files made one by one, checked, then put in place in one step."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml
from numpy.typing import NDArray

from dlsim_ij.bundles.bundle import Bundle, load_bundle
from dlsim_ij.bundles.shipped import shipped_folder, shipped_names
from dlsim_ij.errors import OutputError
from dlsim_ij.files import atomic_path, refuse_existing
from dlsim_ij.inference.predictor import Model, load_model
from dlsim_ij.results import Result
from dlsim_ij.zoo_job.channels import input_channels, output_channels
from dlsim_ij.zoo_job.check import ZooTest, check_package, require_bioimageio
from dlsim_ij.zoo_job.description import Facts, WeightsFile, describe
from dlsim_ij.zoo_job.example import draw_cover, make_example
from dlsim_ij.zoo_job.readme import write_readme
from dlsim_ij.zoo_job.sizes import sizes_of
from dlsim_ij.zoo_job.weights import (
    TraceJob,
    has_own_source,
    network_source,
    state_dict,
    torch_version,
    trace_weights,
)

OUR_AUTHORS = ("The dlsim_ij developers",)

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can tell: the same model gives the same bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooPackage(Result):
    """A package that was written.

    Attributes
    ----------
    package : Path
    test : ZooTest or None
        None if it was not tested.
    warnings : tuple of str
        What the zoo will want and the card does not tell.
    """

    package: Path
    test: ZooTest | None
    warnings: tuple[str, ...] = ()


def export_package(
    model: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    authors: Sequence[str] = (),
    test: bool = True,
    overwrite: bool = False,
) -> ZooPackage:
    """Write a model as a package of the BioImage Model Zoo.

    Parameters
    ----------
    model : str or path-like
        Shipped name, or model folder.
    path : path-like
        The zip to write.
    authors : sequence of str
        Names; by default, for a shipped model, the developers of this package, else none.
    test : bool
        Have bioimageio.core test it before it is put in place.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    ZooPackage

    Raises
    ------
    ConfigError
        bioimageio.core is not installed, and a test is wanted.
    ModelError
        The model is unknown, damaged, or does not tell how its input is made; or the package failed its
        test. Nothing was written then.
    OutputError
        The file exists, is no zip, or cannot be written.

    Notes
    -----
    With the same versions of torch and of this package the same model gives the same bytes.
    """
    target = Path(path)
    refuse_existing(target, overwrite)
    if target.suffix.lower() != ".zip":
        raise OutputError(f"a package is a zip, '{target.name}' is called otherwise", "name it FILE.zip")
    if test:
        require_bioimageio()
    bundle = load_bundle(model)
    loaded = load_model(bundle.folder, device="cpu")
    facts = _facts(loaded, _is_shipped(bundle), authors)
    contents = _contents(loaded, bundle, facts)
    done = None
    with atomic_path(target, overwrite=overwrite) as temporary:
        _write_zip(temporary, contents)
        if test:
            done = check_package(temporary)
    return ZooPackage(package=target, test=done, warnings=_wanting(facts))


def _is_shipped(bundle: Bundle) -> bool:
    return bundle.name in shipped_names() and bundle.folder.resolve() == shipped_folder(bundle.name).resolve()


def _facts(model: Model, shipped: bool, authors: Sequence[str]) -> Facts:
    return Facts(
        card=model.card,
        inputs=input_channels(model.card),
        outputs=output_channels(model.card, cast(int, model.network.out_channels)),
        sizes=sizes_of(model),
        authors=tuple(authors) or (OUR_AUTHORS if shipped else ()),
        parameters=sum(p.numel() for p in model.network.parameters()),
        shipped=shipped,
    )


def _wanting(facts: Facts) -> tuple[str, ...]:
    found = []
    if not facts.authors:
        found.append("no author is named: give --author NAME before you share the package")
    if facts.licence is None:
        found.append(
            "the model's card states no licence: set 'licence' in model.json before you share the package"
        )
    return tuple(found)


def _contents(model: Model, bundle: Bundle, facts: Facts) -> dict[str, bytes]:
    """Make all files; rdf.yaml, which names the others with their sums, comes first."""
    example = make_example(model, facts.sizes.test_px)
    files = {
        "README.md": write_readme(facts).encode(),
        "cover.png": draw_cover(example),
        "test_input.npy": _npy(example.channels),
        "test_output.npy": _npy(example.output),
    }
    weights = []
    if has_own_source(model.network):
        files["network.py"] = network_source(model.network).encode()
        files["weights.pt"] = state_dict(model.network)
        architecture = {
            "source": "network.py",
            "sha256": _sha256(files["network.py"]),
            "callable": type(model.network).__name__,
            "kwargs": model.card.architecture.options,
        }
        weights.append(_weights_file("pytorch_state_dict", "weights.pt", files, architecture=architecture))
    job = TraceJob(folder=bundle.folder, side_px=facts.sizes.test_px)
    files["torchscript.pt"] = trace_weights(job)
    weights.append(_weights_file("torchscript", "torchscript.pt", files))
    described = describe(facts, weights, {name: _sha256(data) for name, data in files.items()})
    text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100)
    return {"rdf.yaml": text.encode(), **files}


def _weights_file(kind: str, name: str, files: Mapping[str, bytes], **more: Any) -> WeightsFile:
    return WeightsFile(
        kind=kind, file=name, sha256=_sha256(files[name]), more={"pytorch_version": torch_version(), **more}
    )


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_zip(path: Path, contents: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, date_time=_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
