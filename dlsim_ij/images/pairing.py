"""Pairing images with what they are compared with, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dlsim_ij.errors import DataError
from dlsim_ij.images.frames import IMAGE_ENDINGS, image_files
from dlsim_ij.images.read import image_name

RESULT_ENDINGS = ("_sr", "_wf", "_wiener", "_pred")  # what our verbs and the seed's scripts append to a name


def pair_by_name(
    target: Path,
    images: Sequence[Path],
    *,
    what: str = "truth",
    open_folders: bool = False,
    target_endings: Sequence[str] = (),
) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Find for each image the file that it is to be compared with.

    Parameters
    ----------
    target : Path
        One file for all images, or a folder of them.
    images : sequence of Path
        Files, or folders of files.
    what : str
        How messages call the target.
    open_folders : bool
        Where a folder of images holds no image but folders, take the images in these.
    target_endings : sequence of str
        Endings that names of targets may have, too, as in ``cell_wf.tif``.

    Returns
    -------
    pairs : list of (Path, Path)
        Target and image.
    alone : list of Path
        Images without a target.

    Raises
    ------
    DataError
        A folder holds no image, two targets have one name, or no image finds its target.

    Notes
    -----
    ``cell.tif`` pairs with ``cell.tif``, and with ``cell_sr.tif``, ``cell_wf.tif``, ``cell_wiener.tif`` and
    ``cell_pred.tif`` unless there is a target of exactly their name.
    """
    found = [file for image in images for file in _files(image, open_folders)]
    if not target.is_dir():
        return [(target, image) for image in found], []
    whole, shortened = _by_name(target, target_endings)
    pairs, alone = [], []
    for image in found:
        names = list(_possible_names(image_name(image), RESULT_ENDINGS))
        possible = [targets[name] for targets in (whole, shortened) for name in names if name in targets]
        match = next((path for path in possible if path != image), None)
        if match is None:
            alone.append(image)
        else:
            pairs.append((match, image))
    if not pairs:
        raise DataError(
            f"no image has the name of a {what} in {target}",
            f"a {what} 'cell.tif' pairs with 'cell.tif', 'cell_sr.tif', 'cell_pred.tif'",
        )
    return pairs, alone


def _by_name(folder: Path, endings: Sequence[str]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return targets by their name, and by their name without one of `endings`."""
    whole: dict[str, Path] = {}
    shortened: dict[str, Path] = {}
    for file in _files(folder, open_folders=False):
        name = image_name(file)
        if name in whole:
            raise DataError(
                f"{folder} holds both {whole[name].name} and {file.name}", "give the one that is meant"
            )
        whole[name] = file
        for shorter in _possible_names(name, endings):
            if shorter != name:
                shortened.setdefault(shorter, file)
    return whole, shortened


def _files(path: Path, open_folders: bool) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = image_files(path)
    if not files and open_folders:
        files = [file for inner in sorted(path.iterdir()) if inner.is_dir() for file in image_files(inner)]
    if not files:
        raise DataError(
            f"{path} holds no image ({', '.join(IMAGE_ENDINGS)})", "give the folder with the files"
        )
    return files


def _possible_names(name: str, endings: Sequence[str]) -> Iterator[str]:
    yield name
    for ending in endings:
        if name.endswith(ending):
            yield name.removesuffix(ending)
