"""CITATION.cff holds to the Citation File Format 1.2.0, as far as we use it.

The usual validator pins libraries from 2019, so the rules for the keys that we use are written out here,
from the format's own guide.
"""

from pathlib import Path

import jsonschema
import pytest
import yaml

import dlsim_ij

ROOT = Path(__file__).parent.parent
TEXT = {"type": "string", "minLength": 1}
DOI = {"type": "string", "pattern": r"^10\.\d{4,9}(\.\d+)?/\S+$"}
AUTHORS = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {
        "anyOf": [
            {  # a person
                "type": "object",
                "properties": {"family-names": TEXT, "given-names": TEXT, "affiliation": TEXT},
                "required": ["family-names", "given-names"],
                "additionalProperties": False,
            },
            {  # an entity
                "type": "object",
                "properties": {"name": TEXT},
                "required": ["name"],
                "additionalProperties": False,
            },
        ]
    },
}
SCHEMA = {
    "type": "object",
    "required": ["cff-version", "message", "title", "authors"],
    "additionalProperties": False,
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "message": TEXT,
        "title": TEXT,
        "abstract": TEXT,
        "type": {"enum": ["software", "dataset"]},
        "version": TEXT,
        "license": {"const": "BSD-3-Clause"},
        "keywords": {"type": "array", "minItems": 1, "uniqueItems": True, "items": TEXT},
        "authors": AUTHORS,
        "preferred-citation": {"$ref": "#/$defs/reference"},
        "references": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/reference"}},
    },
    "$defs": {
        "reference": {
            "type": "object",
            "required": ["type", "title", "authors"],
            "additionalProperties": False,
            "properties": {
                "type": {"enum": ["article", "software"]},
                "title": TEXT,
                "authors": AUTHORS,
                "journal": TEXT,
                "volume": {"type": ["integer", "string"]},
                "start": {"type": ["integer", "string"]},
                "year": {"type": "integer"},
                "doi": DOI,
            },
        }
    },
}


@pytest.fixture(scope="module")
def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_file_is_valid(citation):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(citation, SCHEMA)


@pytest.mark.parametrize("key", ["cff-version", "message", "title", "authors"])
def test_the_rules_notice_a_missing_key(citation, key):
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate({name: value for name, value in citation.items() if name != key}, SCHEMA)


def test_it_tells_our_version_and_the_paper(citation):
    assert citation["version"] == dlsim_ij.__version__
    assert citation["preferred-citation"]["doi"] == "10.1038/s41467-020-15784-x"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert citation["preferred-citation"]["doi"] in readme
