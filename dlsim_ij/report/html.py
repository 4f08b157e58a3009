"""A document to one HTML file that needs nothing else: no network, no fonts, no other file."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from dlsim_ij.report.document import Document, Picture
from dlsim_ij.report.tables import GENERATOR

_TEMPLATES = files("dlsim_ij.report") / "templates"


def render(document: Document) -> str:
    """Return the page.

    All text is escaped. A content security policy forbids every request, and every script but the page's own.
    """
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = _template().render(
        document=document,
        generator=GENERATOR,
        # our own files, not the user's: they go in as they are
        style=Markup(_asset("report.css")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )
    return page + "\n"


def data_uri(picture: Picture) -> str:
    """Return a picture as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(picture.png).decode()


@cache
def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_asset),
    )  # fmt: skip
    environment.filters["data_uri"] = data_uri
    environment.filters["percent"] = lambda fraction: f"{100 * fraction:.3f}%"
    environment.filters["trusted_svg"] = Markup  # drawn by figures.py, which escapes what it writes
    environment.tests["picture"] = lambda block: isinstance(block, Picture)
    environment.globals["kind"] = lambda block: type(block).__name__
    return environment.get_template("report.html.j2")
