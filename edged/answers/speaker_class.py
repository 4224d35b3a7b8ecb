"""Who speaks in a recording, clip by clip."""

from collections.abc import Hashable

from edged.answers.clips import LABELS, beginning, by_start, gist_of, labelled
from edged.answers.kind import Kind
from edged.contracts.speech import Clips, LabelOptions, SpeakerClass

WORDS = {"zh": ("女", "男", "无"), "en": ("female", "male", "none")}
"""A woman, a man and nobody by language."""
_EVEN = 0.5


def _spoken(found: Clips[SpeakerClass], options: LabelOptions) -> dict[str, str]:
    """A clip in which nobody speaks is left out."""
    female, male, _ = WORDS[options.language]

    def label(clip: SpeakerClass) -> str | None:
        return None if clip.female is None else labelled(female if clip.female >= _EVEN else male)

    return by_start(found, label)


def _written(found: Clips[SpeakerClass], options: LabelOptions) -> dict[str, str]:
    *_, nobody = WORDS[options.language]
    return _spoken(found, options) or {beginning(found): labelled(nobody)}


def _gist(found: Clips[SpeakerClass], options: LabelOptions) -> Hashable:
    return gist_of(_spoken(found, options))


KIND = Kind(
    SpeakerClass,
    LABELS,
    write=_written,
    gist=_gist,
    shrink="ask for a part of it with `play_duration`",
)
