"""EfficientNet-Lite0: the real weights on real pictures, in the one variant that there is."""

import pytest

from edged.media.picture import PictureLimits, decode_picture
from edged.repository.instance import UsedModel
from edged.testing import FakeRun, answer_of

MODEL = "efficientnet-lite0-int8"


@pytest.mark.parametrize(
    ("picture", "names"),
    [
        ("chelsea.png", {"tabby", "tiger cat", "Egyptian cat"}),
        ("coffee.png", {"espresso"}),
        ("motorcycle_left.png", {"moped", "motor scooter"}),
        ("rocket.jpg", {"missile", "projectile"}),
    ],
)
def test_real_weights_name_what_people_see(instance_of, media, picture, names):
    instance = instance_of(MODEL)
    frame = decode_picture(media(picture).read_bytes(), PictureLimits(), 0.0)
    result = answer_of(instance.card, UsedModel(instance).infer(frame, FakeRun()))
    assert result["class_name"] in names
    assert len(result["class_probs"]) == 1000
    assert result["class_probs"][result["class_name"]] == max(result["class_probs"].values()) > 0.1


def test_it_is_int8_as_published(instance_of):
    instance = instance_of(MODEL)
    assert instance.facts.variant == "openvino-int8"
    assert instance.skipped == {}
