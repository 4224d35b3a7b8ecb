"""Docstrings below fields stand in the JSON Schema, as if pydantic had read them itself."""

import pytest
from pydantic import BaseModel, ConfigDict, Field

from edged.config.settings import Config, StreamSettings
from edged.contracts.described import Described, descriptions
from edged.contracts.services import SERVICES

OURS = [known.options for known in SERVICES.values()] + [Config, StreamSettings]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_field_of_ours_is_described(model):
    said = descriptions(model)
    for name, body in model.model_json_schema().get("properties", {}).items():
        assert said[name] in (body.get("description"), model.model_fields[name].annotation.__doc__)


class Inner(BaseModel):
    """A part."""

    x: int


class Theirs(BaseModel):
    """It."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    a: int = 1
    """Metres,
    or feet."""
    b: int = Field(2, alias="c")
    """Seconds."""
    d: Inner
    """Another part."""
    e: Inner
    """A part."""
    f: int = Field(3, description="said")
    """Not said."""
    g: int


class Ours(Described):
    """It."""

    a: int = 1
    """Metres,
    or feet."""
    b: int = Field(2, alias="c")
    """Seconds."""
    d: Inner
    """Another part."""
    e: Inner
    """A part."""
    f: int = Field(3, description="said")
    """Not said."""
    g: int


@pytest.mark.parametrize("by_alias", [True, False])
def test_the_schema_is_the_one_that_pydantic_makes(by_alias):
    theirs, ours = (model.model_json_schema(by_alias=by_alias) for model in (Theirs, Ours))
    assert {**ours, "title": "Theirs"} == theirs


def test_who_inherits_a_field_inherits_its_description_and_who_annotates_it_anew_says_it_anew():
    class Child(Ours):
        a: int = 2
        h: int = 0
        """Litres."""

    said = descriptions(Child)
    assert "a" not in said
    assert (said["b"], said["h"]) == ("Seconds.", "Litres.")


def test_a_model_without_source_has_no_descriptions():
    names = {"Described": Described, "__name__": "nowhere"}
    exec("class Made(Described):\n    a: int\n    'Metres.'", names)
    assert descriptions(names["Made"]) == {}
