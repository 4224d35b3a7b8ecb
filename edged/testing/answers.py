"""What a result promises of its answer, in every encoding."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter

from edged.answers.finding import Finding
from edged.answers.kinds import KINDS
from edged.answers.schema import answer_schema
from edged.contracts.card import ModelCard
from edged.contracts.errors import InferenceError
from edged.contracts.model import Options
from edged.contracts.service import Service
from edged.contracts.services import any_service, card_options
from edged.contracts.speech import Clips


def answer_of(card: ModelCard, result: Any, **options: Any) -> Any:
    """What a client reads of a result, without envelope; `options` replace those of the card.

    Of a clip it is the answer to a recording that is this clip alone.
    """
    of = any_service(card.service)
    chosen = card_options(card).model_copy(update=options)
    return orjson.loads(Finding(of, _whole(of, result), chosen).encoded({}))


def findings_of(card: ModelCard, result: Any) -> list[Finding]:
    """The result under the card's options, then with each other word of one of them; none of a part."""
    of = any_service(card.service)
    if of.result not in KINDS:
        return []
    whole = _whole(of, result)
    return [Finding(of, whole, wanted) for wanted in _encodings(card_options(card))]


def assert_answer(finding: Finding) -> None:
    """Its answer is finite JSON that fits its schema, every field of which is documented."""
    published = finding.kind.fields
    for name, body in answer_schema(finding.service).get("properties", {}).items():
        assert body.get("description"), f"{name}: a published field needs a docstring below it"
    try:
        answer = finding.encoded({})
    except InferenceError as error:
        raise AssertionError(f"every number of an answer is finite: {error}") from error
    said_none = b"null" in answer and _holds_none(orjson.loads(answer))
    assert not said_none, "every number of an answer is finite, and what is none is left out"
    if not isinstance(published, Mapping):
        TypeAdapter(published).validate_json(answer, strict=True)


def _whole(of: Service, result: Any) -> Any:
    """As the host gets it: of a recording the results of all clips."""
    return Clips([(0, result)]) if of.takes_sound else result


def _encodings(options: Options) -> Iterator[Options]:
    yield options
    for name, field in type(options).model_fields.items():
        for word in _words(field.annotation):
            if word != getattr(options, name):
                yield options.model_copy(update={name: word})


def _words(annotation: Any) -> Iterator[str]:
    """The words that an option may be, one of several kinds of values or the only one."""
    for inner in get_args(annotation):
        if isinstance(inner, str):
            yield inner
        else:
            yield from _words(inner)


def _holds_none(value: Any) -> bool:
    """Whether somewhere in what JSON said there is a null."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(_holds_none, parts))
