"""Whether a recording holds something, clip by clip."""

from collections.abc import Hashable

from edged.answers.clips import LABELS, beginning, by_start, gist_of, labelled
from edged.answers.kind import Kind
from edged.contracts.speech import Clips, DetectionThreshold, YesNo

WORDS = {"zh": ("是", "否"), "en": ("Yes", "No")}
"""Yes and no by language."""


def _written(found: Clips[YesNo], options: DetectionThreshold) -> dict[str, str]:
    yes, no = WORDS[options.language]
    said = by_start(found, lambda clip: labelled(yes if clip.score >= options.threshold else no))
    return said or {beginning(found): labelled(no)}


def _gist(found: Clips[YesNo], options: DetectionThreshold) -> Hashable:
    return gist_of(_written(found, options))


KIND = Kind(
    YesNo,
    LABELS,
    write=_written,
    gist=_gist,
    shrink="ask for a part of it with `play_duration`",
)
