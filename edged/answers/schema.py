"""JSON Schemas of what is answered and published."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from edged.answers.fields import published_schema
from edged.answers.kinds import KINDS
from edged.contracts.message import StreamMessage
from edged.contracts.service import Service


class Wrapped(BaseModel):
    """What stands beside the fields of an answer of the groups image, face and product."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    request_id: str
    """Echo of the request's, or the UUID4 that was made."""
    success: Literal[True]
    """Always true; a failed request has `success: false` and an error instead."""


def fields_schema(of: Service) -> dict[str, Any]:
    """JSON Schema of the answer without envelope, as it is the `result` of a stream's message."""
    fields = KINDS[of.result].fields
    return dict(fields) if isinstance(fields, Mapping) else published_schema(fields)


def answer_schema(of: Service) -> dict[str, Any]:
    """JSON Schema of the successful answer."""
    schema = fields_schema(of)
    if of.wraps_answer:
        envelope = TypeAdapter(Wrapped).json_schema()["properties"]
        schema["properties"] = {**envelope, **schema["properties"]}
        schema["required"] = [*envelope, *schema["required"]]
    return {"$id": of.schema_id, **schema}


def message_schema(of: Service) -> dict[str, Any]:
    """JSON Schema of a message of a stream: `result` holds the fields of the answer."""
    schema = StreamMessage.model_json_schema(by_alias=True)
    result = fields_schema(of)
    schema["$defs"] |= result.pop("$defs", {})
    schema["properties"] |= {"schema": {**schema["properties"]["schema"], "const": of.schema_id}}
    schema["properties"] |= {"result": result}
    return {"$id": f"{of.schema_id}/message", **schema, "title": "StreamMessage"}
