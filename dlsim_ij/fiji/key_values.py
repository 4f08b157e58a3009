"""The "key=value ..." strings of ImageJ macros, shared by ``Ext.dlsim`` and the macros' own arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dlsim_ij.errors import FijiError

_PAIR = re.compile(
    r"""\s*(?P<key>[^\s=]+)
        (?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|\[(?P<bracket>[^\]]*)\]|(?P<bare>[^\s"'\[]\S*)|(?=\s|$)))?
        (?=\s|$)""",
    re.VERBOSE,
)


def parse_key_values(text: str) -> dict[str, str]:
    r"""Read ``key=value`` pairs; values with spaces stand in ``[...]``, ``"..."`` or ``'...'``.

    A key without a value is a switch that is on ("true"), as in ImageJ's own options. A backslash is an
    ordinary character, so Windows paths need no care.

    Raises
    ------
    FijiError
        A bracket or quote is not closed, or a key stands twice.

    Examples
    --------
    >>> parse_key_values("scale=2 title=[my cell] path='C:\\a b' fast")
    {'scale': '2', 'title': 'my cell', 'path': 'C:\\a b', 'fast': 'true'}
    """
    pairs: dict[str, str] = {}
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _PAIR.match(text, position, end)
        if match is None:
            raise FijiError(
                f"cannot read the options from '{text[position:end].strip()}' on",
                "key=value, values with spaces in brackets: path=[/my data/cell.tif]",
            )
        key = match["key"]
        if key in pairs:
            raise FijiError(f"the option '{key}' is given twice in '{text}'", "give it once")
        values = (match["double"], match["single"], match["bracket"], match["bare"])
        value = next((value for value in values if value is not None), None)
        if value is None:
            value = "" if "=" in match[0] else "true"
        pairs[key] = value
        position = match.end()
    return pairs


def format_key_values(pairs: Mapping[str, object]) -> str:
    """Write pairs so that `parse_key_values` and ImageJ's commands read them back.

    Raises
    ------
    FijiError
        A value holds a space and all three closing signs, so nothing can enclose it.

    Examples
    --------
    >>> format_key_values({"sigma": 2, "title": "my cell", "stack": True, "log": False})
    'sigma=2 title=[my cell] stack'
    """
    words = []
    for key, value in pairs.items():
        if value is False:
            continue
        if value is True:
            words.append(key)
            continue
        text = str(value)
        if text and not re.search(r"\s", text) and text[0] not in "\"'[":
            words.append(f"{key}={text}")
            continue
        pairs_of_signs = (("[", "]"), ('"', '"'), ("'", "'"))
        signs = next(((a, b) for a, b in pairs_of_signs if a not in text and b not in text), None)
        if signs is None:
            raise FijiError(
                f"the value of '{key}' cannot be enclosed: {text}", "leave one of ] \" ' out of it"
            )
        words.append(f"{key}={signs[0]}{text}{signs[1]}")
    return " ".join(words)
