"""Classes and tensors of a model are told without opening it."""

import pytest

from edged.contracts.errors import NotReady
from edged.repository.described import described
from tests.graphs import card, write_graph
from tests.opened import models_in, silent
from tests.repository.test_repository import Small


@pytest.mark.parametrize("variant", ["onnxruntime-f32", "openvino-f32"])
def test_as_the_open_one_tells_it(tmp_path, variant):
    write_graph(tmp_path / "small.onnx")
    small = Small(card(tmp_path / "small.onnx", graph={"variants": [variant]}))
    models = models_in(tmp_path / "models", {"small": small})
    with pytest.raises(NotReady):
        described(models.catalogue, "small")
    models.puller.pull("small", silent)
    told, instance = described(models.catalogue, "small"), models.opener.acquire("small")
    assert told.facts == instance.facts
    for name, signature in instance.signatures.items():
        assert told.signatures[name].inputs == signature.inputs
        assert told.signatures[name].outputs == signature.outputs
    models.opener.release(instance)
