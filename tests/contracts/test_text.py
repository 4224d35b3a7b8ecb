"""The request of text-vectorization."""

import pytest
from pydantic import ValidationError

from edged.contracts.services import service
from edged.contracts.text import MOST_CHARACTERS

ASKED = {"id": "a", "first_sequence": "你好"}
REQUEST = service("text-vectorization").request


def test_what_may_be_left_out():
    request = REQUEST.model_validate(ASKED, strict=True)
    assert (request.second_sequence, request.sequence_length, request.padded) == ("", 512, None)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"id": None}, "id"),
        ({"id": 7}, "id"),
        ({"first_sequence": ""}, "first_sequence"),
        ({"first_sequence": " \n\u3000"}, "first_sequence"),
        ({"first_sequence": "a" * (MOST_CHARACTERS + 1)}, "first_sequence"),
        ({"second_sequence": None}, "second_sequence"),
        ({"sequence_length": 2}, "sequence_length"),
        ({"sequence_length": 513}, "sequence_length"),
        ({"sequence_length": "128"}, "sequence_length"),
        ({"padded": 1}, "padded"),
    ],
)
def test_what_is_wrong_is_named(fields, named):
    with pytest.raises(ValidationError) as caught:
        REQUEST.model_validate({**ASKED, **fields}, strict=True)
    assert [error["loc"][0] for error in caught.value.errors()] == [named]
