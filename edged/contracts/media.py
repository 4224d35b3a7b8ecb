"""How a request says where its media is."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

WHOLE_SENTENCE = "whole_sentence"
"""Type of a validation fault whose message is the answer as it stands."""


def whole_sentence(text: str) -> PydanticCustomError:
    """A fault that concerns several fields of a request."""
    return PydanticCustomError(WHOLE_SENTENCE, "{text}", {"text": text})


class UrlInput(BaseModel):
    """Media by URL: fetched by the box, within what `requests.fetch` of its configuration allows."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str = Field(min_length=1, max_length=4096)
    """`https://...`, `http://...`, `file://...` or a path; other schemes where they are allowed."""
