"""Requests of the speech services."""

import pytest
from pydantic import ValidationError

from edged.contracts.services import service
from edged.contracts.speech import SoundInput


@pytest.mark.parametrize("given", [1, "1", "20000000"])
def test_a_duration_is_a_number_or_digits(given):
    asked = SoundInput.model_validate({"input": {"url": "a", "play_duration": given}}, strict=True)
    assert asked.input.play_duration == int(given)


@pytest.mark.parametrize("given", [0, -1, "0", "-1", "1.5", "", "x", 1.5, True, "٣", "9" * 30])
def test_another_duration_is_refused(given):
    with pytest.raises(ValidationError):
        SoundInput.model_validate({"input": {"url": "a", "play_duration": given}}, strict=True)


def test_the_request_names_a_url_and_options():
    of = service("music-detection")
    assert {"input", "language", "threshold", "timeout_s"} <= set(of.request_schema()["properties"])
    assert of.takes_sound
    assert not of.takes_frames
