"""The "key=value" strings of macros."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.errors import FijiError
from dlsim_ij.fiji import format_key_values, parse_key_values

KEYS = st.text("abcdefgh_", min_size=1, max_size=8)
VALUES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="]"), max_size=20
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("  scale=2  sigma = 1.5 ", {"scale": "2", "sigma": "1.5"}),
        ("path=[/my data/ü & cell;1.tif]", {"path": "/my data/ü & cell;1.tif"}),
        ("""a="it's" b='say "x"'""", {"a": "it's", "b": 'say "x"'}),
        (r"path=[C:\new folder\t.tif]", {"path": r"C:\new folder\t.tif"}),
        ("stack fast", {"stack": "true", "fast": "true"}),
        ("title=[] other=", {"title": "", "other": ""}),
        ("formula=a=b", {"formula": "a=b"}),
    ],
)
def test_values_are_read(text, expected):
    assert parse_key_values(text) == expected


@pytest.mark.parametrize("text", ["path=[/no end", 'title="open', "a=[x]y", "a=1 a=2", "=3"])
def test_a_broken_string_is_refused(text):
    with pytest.raises(FijiError, match=r"cannot read|given twice"):
        parse_key_values(text)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_written_is_read_back(pairs):
    try:
        text = format_key_values(pairs)
    except FijiError:
        assert any('"' in value and "'" in value and "[" in value for value in pairs.values())
        return
    assert parse_key_values(text) == pairs
