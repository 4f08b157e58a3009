"""What a command may be given: files, folders of frames, folders of either; each input once."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from dlsim_ij.errors import ImageError
from dlsim_ij.images.frames import image_files, natural_key, numbered
from dlsim_ij.images.read import file_axes, image_name, is_folder
from dlsim_ij.images.zarr_image import is_zarr

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """One image to work on.

    Attributes
    ----------
    path : Path
        For `read_image`: a file, a zarr folder, or a folder of frames.
    subfolder : PurePath
        Where its outputs go below the output folder: the folders between the given folder and the image.
    name : str
        Stem of its outputs.
    """

    path: Path
    subfolder: PurePath
    name: str


def expand_inputs(
    paths: Iterable[str | os.PathLike[str]],
    *,
    only: str | None = None,
    frame_folders: bool = True,
    distinct_names: bool = True,
) -> list[ImageInput]:
    """List the images behind the arguments of a command.

    Parameters
    ----------
    paths : iterable of path-like
        Files, folders of frames, folders of files, folders of folders. Links to folders are followed,
        each folder once; hidden files and folders are not looked at.
    only : str, optional
        Of what lies in folders, take what is called like this, such as ``*_raw.tif``: files, zarr folders
        and folders of frames. Capitals count. What is given by its own name is taken anyway.
    frame_folders : bool
        Read a folder of numbered single-plane files as one stack. Without it each file is an image.
    distinct_names : bool
        Refuse two images that would have the same outputs. Without it nothing is named after them.

    Returns
    -------
    list of ImageInput
        In the order given, inside a folder in natural order.

    Raises
    ------
    ImageError
        A path does not exist, a folder holds no image, none that `only` fits, or two images would have the
        same outputs.
    """
    inputs: list[ImageInput] = []
    for path in map(Path, paths):
        if not is_folder(path) or is_zarr(path):
            inputs.append(ImageInput(path=path, subfolder=PurePath(), name=image_name(path)))
            continue
        found = _walk(path, path, frame_folders, set())
        if not found:
            raise ImageError(f"the folder {path} holds no images", "TIFF, OME-TIFF and .npy can be read")
        fitting = [
            one for one in found if only is None or one.path == path or fnmatchcase(one.path.name, only)
        ]
        if not fitting:
            raise ImageError(
                f"none of the {len(found)} images in {path} is called like '{only}'",
                f"the first is '{found[0].path.name}'; quote the pattern, or the shell fills it in",
            )
        inputs += fitting
    if distinct_names:
        _refuse_clashes(inputs)
    return inputs


def is_frame_folder(folder: Path) -> bool:
    """Tell whether a folder is one stack: at least two numbered single-plane files of one name."""
    files = image_files(folder)
    frames = numbered(files)
    if frames is None or len(files) < 2 or len({frame.prefix for frame in frames}) > 1:
        return False
    votes = [_is_single_plane(path) for path in (files[0], files[-1])]
    return True in votes and False not in votes


def _is_single_plane(path: Path) -> bool | None:
    """Return None for a damaged file: it has no vote, and is refused by name when its turn comes."""
    try:
        return file_axes(path) == "YX"
    except ImageError as error:
        logger.info("%s", error.message)
        return None


def _walk(folder: Path, top: Path, frame_folders: bool, seen: set[Path]) -> list[ImageInput]:
    real = folder.resolve()
    if real in seen:
        return []  # a link that leads back
    seen.add(real)
    files = image_files(folder)
    inside = PurePath(folder.relative_to(top))
    if frame_folders and is_frame_folder(folder):
        # a folder given by itself has nothing to mirror; its name is the image's
        return [ImageInput(path=folder, subfolder=inside.parent, name=folder.resolve().name)]
    folders = [p for p in folder.iterdir() if not p.name.startswith(".") and p.is_dir()]
    arrays = [p for p in folders if is_zarr(p)]
    images = sorted([*files, *arrays], key=natural_key)
    found = [ImageInput(path=path, subfolder=inside, name=image_name(path)) for path in images]
    for inner in sorted(set(folders) - set(arrays), key=natural_key):
        found += _walk(inner, top, frame_folders, seen)
    return found


def _refuse_clashes(inputs: list[ImageInput]) -> None:
    by_output: dict[tuple[PurePath, str], Path] = {}
    for one in inputs:
        other = by_output.setdefault((one.subfolder, one.name), one.path)
        if other is not one.path:
            raise ImageError(
                f"{other} and {one.path} would be written to the same outputs, '{one.name}'",
                "give the folder above them, rename one, or run them one after the other",
            )
