"""The options of the Java virtual machine; docs/fiji.md says what each one prevents."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from dlsim_ij.errors import FijiError
from dlsim_ij.fiji.locate import Installation


def java_options(
    java_major: int, headless: bool, preferences: Path, installation: Installation | None
) -> list[str]:
    """Return our options.

    Parameters
    ----------
    java_major : int
        Feature release of Java.
    headless : bool
        Whether there are no windows at all.
    preferences : Path
        Private folder; otherwise macros see the parameters of earlier runs, of other processes too.
    installation : Installation or None
        The ImageJ; None when it is still to be downloaded.
    """
    options = [
        "-Xrs",
        "-XX:+IgnoreUnrecognizedVMOptions",
        "-XX:+UnlockExperimentalVMOptions",
        "-XX:+DisablePrimordialThreadGuardPages",
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "-Dscijava.context.strict=false",
        f"-Djava.util.prefs.userRoot={preferences}",
        f"-Djava.awt.headless={'true' if headless else 'false'}",
    ]
    if java_major >= 17:
        options.append("--enable-native-access=ALL-UNNAMED")
    if installation is not None and installation.kind == "imagej":
        folder = installation.path.parent
        if (folder / "plugins").is_dir():  # as that ImageJ's own launcher would find them
            options.append(f"-Dplugins.dir={folder}")
    if installation is not None and installation.kind == "fiji":
        options.append(f"-Dplugins.dir={installation.path / 'plugins'}")
        options.append(f"-Dimagej.dir={installation.path}")
        if (0,) < installation.patcher < (2,):
            # its edits of ImageJ's dialogs do not pass the verifier of Java 17
            options += ["-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote"]
    return options


def user_options() -> list[str]:
    """Return the user's own options, from DLSIM_JAVA_HEAP and DLSIM_JAVA_OPTIONS.

    Raises
    ------
    FijiError
        The heap is no size, or less than ImageJ needs; Java itself would end the process.
    """
    options = shlex.split(os.environ.get("DLSIM_JAVA_OPTIONS", ""))
    heap = os.environ.get("DLSIM_JAVA_HEAP")
    if heap:
        match = re.fullmatch(r"([1-9]\d*)([mMgG])", heap)
        if match is None or int(match[1]) * (1024 if match[2] in "gG" else 1) < 64:
            raise FijiError(f"DLSIM_JAVA_HEAP is '{heap}', which is no size from 64m on", "for example 3g")
        options.append(f"-Xmx{heap}")
    return options
