"""Checks of models that remember."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edged.contracts.items import AudioClip, PixelFormat, SpeechChunk, Video
from edged.contracts.model import UtteranceModel
from edged.testing.fakes import VideoOfPictures, chunks_of
from edged.testing.subject import Subject, same, taken


def streams(subject: Subject) -> str:
    """The same chunks give the same results, also where another stream is heard between them."""
    item = subject.items.usual
    chunks, others = _chunks(subject, item), _chunks(subject, _backwards(item))
    states = [subject.start(), subject.start()]
    both: list[list[Any]] = [[], []]
    for pair in zip(chunks, others, strict=True):
        for number, chunk in enumerate(pair):
            found, states[number] = subject.step(chunk, states[number])
            both[number].append(taken(found))
    alone = [_heard(subject, chunks), _heard(subject, others)]
    assert same(both, alone), "another stream beside it changes what is heard: the state is not a value"
    kept = subject.start()
    first = subject.step(chunks[0], kept)[0]
    assert same(subject.step(chunks[0], kept)[0], first), "`step` changes the state that it is given"
    return f"{len(chunks)} chunks, two streams"


def _heard(subject: Subject, chunks: Sequence[Any]) -> list[Any]:
    state, found = subject.start(), []
    for chunk in chunks:
        result, state = subject.step(chunk, state)
        found.append(taken(result))
    return found


def _backwards(item: Any) -> Any:
    """Another sound or video of the same length; anything else as it is."""
    if isinstance(item, Video):
        pictures = [frame.pixels(PixelFormat()) for frame in item.frames()]
        return VideoOfPictures(pictures[::-1], item.frame_rate or 1.0)
    return replace(item, samples=item.samples[::-1].copy()) if isinstance(item, AudioClip) else item


def _chunks(subject: Subject, item: Any) -> list[Any]:
    """A clip in half seconds, as it comes, a video frame by frame; anything else again and again."""
    if isinstance(item, Video):
        return list(item.frames()) * 3
    if not isinstance(item, AudioClip):
        return [item] * 3
    starts = range(0, len(item.samples), max(1, item.rate // 2))
    if isinstance(subject.model, UtteranceModel):
        return list(chunks_of(item, starts[1:]))
    return [replace(item, samples=item.samples[a : a + starts.step], voiced=()) for a in starts]


def utterances(subject: Subject) -> str:
    """What is heard step by step is what is heard at once, whatever came before."""
    clip, whole = subject.items.usual, subject.result
    chunks = chunks_of(clip, [len(clip.samples) // 3, len(clip.samples) * 2 // 3])
    state, kept, last = subject.start(), None, None
    for chunk in chunks:
        kept = state
        last, state = subject.step(chunk, kept)
    assert same(last, whole), "what is heard step by step is something else than the whole at once"
    again, _ = subject.step(chunks[-1], kept)
    assert same(again, last), "the same step gave another result: `step` changed the state it was given"
    anew, _ = subject.step(SpeechChunk.of(clip), state)
    assert same(anew, whole), "an utterance after another one is heard as something else"
    return f"{len(chunks)} steps"
