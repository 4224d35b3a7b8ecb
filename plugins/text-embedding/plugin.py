"""What a text means, as one vector, by a model `text` of text-vectorization."""

from edged import Model, Options, Register, Run, TextEmbedding, TextPair, TooLarge, Tools, hookimpl
from edged.ops.embedding import unit


class Meaning(Model[TextPair, Options, TextEmbedding]):
    """The pooled vector, at length 1."""

    def infer(self, item: TextPair, options: Options, tools: Tools, run: Run) -> TextEmbedding:
        found = tools.models["text"].infer(item, run)
        if found.truncated:
            raise TooLarge(
                f"the text has more than the {item.sequence_length} tokens that are read at a time"
            )
        return TextEmbedding(unit(found.pooled), len(found.states))


@hookimpl
def register_models(register: Register) -> None:
    register(Meaning, "card.yaml")
