"""Our macros and menu entries put into a Fiji or an ImageJ, and taken out again; nothing else is touched.

A manifest with a hash of every file tells what is ours: a file that is not in it, or that has been changed
since, stays as it is and is named.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dlsim_ij.errors import FijiError, OutputError
from dlsim_ij.files import atomic_path, make_folder
from dlsim_ij.results import Result

CORES = "macros/DLSIM"
COMMAND = f"{CORES}/dlsim_command.properties"
MANIFEST = f"{CORES}/installed.json"
MENUS = {"fiji": "scripts/Plugins/DLSIM", "imagej": "plugins/DLSIM"}  # of the menu entries, by kind
_SOURCES = {"fiji": "scripts", "imagej": "menus"}  # Fiji reads #@ parameters, ImageJ ignores such a file
_RESTART = {
    "fiji": "restart Fiji: Plugins > DLSIM",
    "imagej": "restart ImageJ, or Help > Refresh Menus: Plugins > DLSIM",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed(Result):
    """What was done; paths are relative to `place`."""

    place: str
    kind: str  # "fiji" or "imagej"
    command: tuple[str, ...]  # words that the macros call
    installed: tuple[str, ...]  # written now
    unchanged: tuple[str, ...]  # there already
    removed: tuple[str, ...]
    kept: tuple[str, ...]  # of somebody else, or changed since we wrote it
    restart: str


def install_macros(path: Path, *, command: Sequence[str] | None = None, dry_run: bool = False) -> Installed:
    """Put macros and menu entries into a Fiji or an ImageJ; what is there already and right stays.

    Parameters
    ----------
    path : pathlib.Path
        Folder of Fiji (``jars/`` in it) or of ImageJ (``ij.jar``, or ``macros/`` and ``plugins/`` in it).
    command : sequence of str, optional
        Words that start dlsim; by default the program of this Python.
    dry_run : bool
        Decide, but write nothing.

    Raises
    ------
    FijiError
        `path` is neither, or our manifest there is damaged.
    OutputError
        It cannot be written.
    """
    root, kind = _place(path)
    words = tuple(command) if command else own_command()
    ours = _read_manifest(root)
    wanted = _wanted(kind, words)
    installed: list[str] = []
    unchanged: list[str] = []
    kept: list[str] = []
    hashes: dict[str, str] = {}
    for name, content in wanted.items():
        state = _state(root / name, ours.get(name), content)
        {"write": installed, "right": unchanged, "foreign": kept}[state].append(name)
        if state != "foreign":
            hashes[name] = _hash(content)
        elif name in ours:
            hashes[name] = ours[name]  # still ours to remove, once it is as we wrote it
    old = {name: digest for name, digest in ours.items() if name not in wanted}
    removed, left = _split_by_hash(root, old)
    if not dry_run:
        _remove(root, removed)
        for name in installed:
            _write(root / name, wanted[name])
        _write_manifest(root, hashes | {name: old[name] for name in left})
    return Installed(
        place=str(root), kind=kind, command=words, installed=tuple(installed), unchanged=tuple(unchanged),
        removed=tuple(removed), kept=(*kept, *left), restart=_RESTART[kind],
    )  # fmt: skip


def remove_macros(path: Path, *, dry_run: bool = False) -> Installed:
    """Take out what `install_macros` wrote and nobody has changed since, and our folders once empty."""
    root, kind = _place(path)
    ours = _read_manifest(root)
    removed, kept = _split_by_hash(root, ours)
    if not dry_run:
        _remove(root, removed)
        if kept:
            _write_manifest(root, {name: ours[name] for name in kept})
        else:
            (root / MANIFEST).unlink(missing_ok=True)
        for folder in (root / MENUS[kind], root / CORES):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    return Installed(
        place=str(root), kind=kind, command=(), installed=(), unchanged=(), removed=tuple(removed),
        kept=tuple(kept), restart=_RESTART[kind].partition(":")[0],
    )  # fmt: skip


def macros_folder() -> Path:
    """Return where the macros of this dlsim are: beside the package, or where its wheel put them.

    Raises
    ------
    FijiError
        They are in neither place: the installation is not complete.
    """
    for folder in _folders():
        if (folder / "dlsim_reconstruct.ijm").is_file():
            return folder
    raise FijiError("the macros are missing from this installation", "install dlsim-ij again with pip")


def _folders() -> Iterator[Path]:
    package = Path(__file__).resolve().parents[1]
    yield package.parent / "fiji_macros"  # a checkout
    try:
        files = importlib.metadata.files("dlsim-ij") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "dlsim_reconstruct.ijm":
            yield Path(str(file.locate())).resolve().parent
    # pip's --target moves the package after it has written down where the macros are
    for base in (package.parent, Path(sys.prefix)):
        yield base / "share" / "dlsim_ij" / "fiji_macros"


def own_command() -> tuple[str, ...]:
    """Return the words that start this dlsim from anywhere: its program, or Python with ``-m``."""
    folder = Path(sys.executable).absolute().parent
    for name in ("dlsim.exe", "dlsim"):
        for place in (folder, folder / "Scripts"):
            if (place / name).is_file():
                return (str(place / name),)
    if Path(sys.argv[0]).stem == "dlsim" and Path(sys.argv[0]).is_file():
        return (str(Path(sys.argv[0]).absolute()),)
    found = shutil.which("dlsim")
    return (found,) if found else (sys.executable, "-m", "dlsim_ij")


def _place(path: Path) -> tuple[Path, str]:
    folder = path.expanduser().absolute()
    if folder.name == "ij.jar":
        folder = folder.parent
    if not folder.is_dir():
        raise FijiError(f"{folder} is not a folder", "give the folder of Fiji or of ImageJ")
    if kind := _kind(folder):
        return folder, kind
    near = [folder / "Fiji.app", folder / "Fiji", folder / "ImageJ", folder.parent]
    for other in near:
        if _kind(other):
            raise FijiError(f"{folder} is neither Fiji nor ImageJ", f"did you mean {other}?")
    raise FijiError(
        f"{folder} is neither Fiji nor ImageJ",
        "give the folder that holds jars/ and plugins/ (Fiji), or ij.jar, macros/ and plugins/ (ImageJ)",
    )


def _kind(folder: Path) -> str | None:
    if any((folder / "jars").glob("ij-*.jar")):
        return "fiji"
    if (folder / "ij.jar").is_file() or all((folder / name).is_dir() for name in ("macros", "plugins")):
        return "imagej"
    return None


def _wanted(kind: str, command: Sequence[str]) -> dict[str, bytes]:
    source = macros_folder()
    files = {f"{CORES}/{file.name}": file.read_bytes() for file in sorted(source.glob("*.ijm"))}
    entries = sorted((source / _SOURCES[kind]).glob("*.ijm"))
    if not entries:
        raise FijiError(f"the folder {source} is not complete", "install dlsim-ij again with pip")
    files |= {f"{MENUS[kind]}/{file.name}": file.read_bytes() for file in entries}
    # ASCII with escapes, as Java's properties are: the macros read it in whatever encoding Java takes
    lines = [f"word{n}={_escaped(word)}\n" for n, word in enumerate(command, 1)]
    return files | {COMMAND: "".join(lines).encode("ascii")}


def _escaped(text: str) -> str:
    utf16 = text.replace("\\", "\\\\").encode("utf-16-be", "surrogatepass")
    units = (int.from_bytes(utf16[i : i + 2], "big") for i in range(0, len(utf16), 2))
    return "".join(chr(unit) if 32 <= unit < 127 else f"\\u{unit:04x}" for unit in units)


def _state(file: Path, digest: str | None, content: bytes) -> str:
    if file.is_symlink():
        return "foreign"
    if not file.exists():
        return "write"
    if not file.is_file():
        return "foreign"
    there = file.read_bytes()
    if there == content:
        return "right"
    return "write" if _hash(there) == digest else "foreign"


def _split_by_hash(root: Path, files: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the files that are as we wrote them, and those that are not; what is gone is in neither."""
    same: list[str] = []
    changed: list[str] = []
    for name, digest in files.items():
        file = root / name
        if file.is_symlink() or file.is_dir():
            changed.append(name)
        elif file.exists():
            (same if _hash(file.read_bytes()) == digest else changed).append(name)
    return same, changed


def _read_manifest(root: Path) -> dict[str, str]:
    file = root / MANIFEST
    if not file.exists():
        return {}
    try:
        files = json.loads(file.read_text(encoding="utf-8"))["files"]
        ours = {str(name): str(digest) for name, digest in files.items()}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        hint = "delete it; files that are as we write them are recognised"
        raise FijiError(f"{file} cannot be read", hint) from error
    allowed = {PurePosixPath(folder) for folder in (CORES, *MENUS.values())}
    for name in ours:
        if PurePosixPath(name).parent not in allowed or "\\" in name:
            raise FijiError(f"{file} names a file that cannot be ours: {name}", "delete it and install again")
    return ours


def _write_manifest(root: Path, files: Mapping[str, str]) -> None:
    text = json.dumps({"by": "dlsim fiji-install", "files": dict(sorted(files.items()))}, indent=2) + "\n"
    if not (root / MANIFEST).exists() or (root / MANIFEST).read_text(encoding="utf-8") != text:
        _write(root / MANIFEST, text.encode())


def _write(file: Path, content: bytes) -> None:
    try:
        make_folder(file.parent)
    except OutputError as error:
        raise OutputError(error.message, "install as the user who owns that folder") from error
    with atomic_path(file, overwrite=True) as temporary:
        temporary.write_bytes(content)


def _remove(root: Path, names: Sequence[str]) -> None:
    for name in names:
        try:
            (root / name).unlink()
        except OSError as error:
            raise OutputError(
                f"cannot remove {root / name}: {error.strerror}", "remove as the user who owns that folder"
            ) from error


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
