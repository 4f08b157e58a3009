"""Plugins that the field asks for: how to see that a Fiji has them, and where they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_SITE = "in Fiji: Help > Update... > Manage Update Sites, tick"


@dataclass(frozen=True, slots=True)
class KnownPlugin:
    """A plugin by the jar that brings it."""

    jar: str  # pattern in the names of jars, lower case
    source: str  # where it comes from, one line

    def found(self, names: Iterable[str]) -> str | None:
        """Return the first of these names of jars that brings it."""
        return next((name for name in names if re.search(self.jar, name.lower())), None)


# names of update sites as in Fiji's own list (2025); who has none there is a jar to be put into plugins/
KNOWN_PLUGINS = {
    "Bio-Formats": KnownPlugin(r"bio-?formats_plugins", "part of Fiji; the newest: update site Bio-Formats"),
    "NanoJ-Core": KnownPlugin(r"nanoj[-_]core", f"{_SITE} NanoJ-Core"),
    "NanoJ-SQUIRREL": KnownPlugin(r"nanoj[-_]squirrel", f"{_SITE} NanoJ-SQUIRREL and NanoJ-Core"),
    "NanoJ-SRRF": KnownPlugin(r"nanoj[-_]srrf", f"{_SITE} NanoJ-SRRF and NanoJ-Core"),
    "NanoJ-eSRRF": KnownPlugin(
        r"nanoj[-_]esrrf|esrrf[-_]",
        "no update site: jar of github.com/HenriquesLab/NanoJ-eSRRF",
    ),
    "ImDecorr": KnownPlugin(
        r"im_?decorr|image_?decorrelation", "no update site: jar of github.com/Ades91/ImDecorr into plugins/"
    ),
    "fairSIM": KnownPlugin(r"fairsim", "no update site: jar of github.com/fairSIM/fairSIM"),
    "SIMcheck": KnownPlugin(r"simcheck", f"{_SITE} SIMcheck"),
    "ThunderSTORM": KnownPlugin(r"thunder_?storm", f"{_SITE} Hohlbein Lab"),
    "deepImageJ": KnownPlugin(r"deepimagej", f"{_SITE} DeepImageJ"),
    "CSBDeep": KnownPlugin(r"csbdeep", f"{_SITE} CSBDeep"),
    "TrackMate": KnownPlugin(r"trackmate-\d", "part of every Fiji"),
}
