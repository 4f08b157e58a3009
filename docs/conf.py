"""Settings of the pages as a site: `make docs` builds it (docs/_build/html)."""

import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent.resolve()
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from dlsim_ij import __version__  # noqa: E402

project = "dlsim_ij"
author = "The dlsim_ij developers"
copyright = "the dlsim_ij developers, BSD-3-Clause"
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"dlsim_ij {release}"
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_show_sphinx = False

myst_heading_anchors = 3
myst_links_external_new_tab = False
# the pages are read on code hosts too, so they keep to what those render: tables, fences, plain links
myst_enable_extensions = ["colon_fence"]

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # the docstrings name the types, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
# a dataclass says what its fields are beside them; a result that is a dataclass needs no sentence more
numpydoc_validation_checks = {"GL06", "GL07", "PR02", "PR10"}
numpydoc_validation_exclude = {r"\.__init__$"}
extlinks = {"doi": ("https://doi.org/%s", "doi %s")}
copybutton_prompt_text = "$ "

# Links in docstrings go to the public names of api.md; what lies behind them is named, not linked.
nitpick_ignore_regex = [("py:.*", r"dlsim_ij\..*|[a-z_]+\.[a-z_.]+|[A-Za-z_]+")]

# pages of the repository that do not lie in docs/, and where the site has them
OUTSIDE = {
    ROOT / "README.md": DOCS / "project/readme.md",
    ROOT / "CONTRIBUTING.md": DOCS / "project/contributing.md",
    ROOT / "CHANGELOG.md": DOCS / "project/changes.md",
    ROOT / "benchmarks/README.md": DOCS / "project/benchmarks.md",
    ROOT / "fiji_macros/README.md": DOCS / "project/fiji-macros.md",
}
INCLUDE = re.compile(r"```\{include\} (\S+)\n```\n")
LINK = re.compile(r"(\[[^][]*(?:\[[^]]*\])?[^][]*\])\(([^)#:\s]+)(#[^)]*)?\)")


def lead_inside(app, name, source):
    """Put the text of a page outside docs/ where it is included, and make links fit where they stand.

    MyST's own include can only do so for one folder of links.
    """
    here = (DOCS / name).parent
    text, home = source[0], here
    included = INCLUDE.fullmatch(text)
    if included:
        page = (here / included[1]).resolve()
        text, home = page.read_text(encoding="utf-8"), page.parent
        app.env.note_dependency(str(page))

    def fitted(match):
        label, target, anchor = match[1], (home / match[2]).resolve(), match[3] or ""
        if target.is_dir():
            return label[1:-1]  # a folder has no page
        target = OUTSIDE.get(target, target)
        if target.suffix == ".md" and DOCS in target.parents and label == f"[{Path(match[2]).name}]":
            label = "[]"  # a file's name on a code host; in the site the title of the page
        return f"{label}({os.path.relpath(target, here)}{anchor})"

    source[0] = LINK.sub(fitted, text)


def setup(app):
    """Hook into Sphinx."""
    app.connect("source-read", lead_inside)
