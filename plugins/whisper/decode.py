"""From scores to tokens: the memory of what was written, and a beam search with its guard."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged import Run, Session, Tensors

Scores = NDArray[np.float32]
"""[b, vocabulary]: of the next token of each hypothesis."""


class Memory:
    """Keys and values of the tokens of all hypotheses: room for all of them, written where they belong."""

    def __init__(self, session: Session, cross: Tensors, room: int) -> None:
        """`cross`: keys and values of the clip, as the graph `memory` gives them."""
        self._session = session
        self._cross = cross
        self._layers = len(cross) // 2
        self._past: dict[str, NDArray[np.float32]] = {}
        for i in range(self._layers):
            shape = (*cross[f"cross_keys.{i}"].shape[:3], room)
            self._past[f"past_keys.{i}"] = np.zeros(shape, np.float32)
            self._past[f"past_values.{i}"] = np.zeros(shape, np.float32)
        self.length = 0

    def put(self, tokens: Sequence[Sequence[int]]) -> Scores:
        """[b, n] more tokens; the scores of what follows."""
        outputs = self._session.run(
            {"tokens": np.array(tokens), "start": np.array([self.length]), **self._past, **self._cross}
        )
        end = self.length + len(tokens[0])
        for i in range(self._layers):
            self._past[f"past_keys.{i}"][..., self.length : end] = outputs[f"keys.{i}"]
            self._past[f"past_values.{i}"][..., self.length : end] = outputs[f"values.{i}"]
        self.length = end
        return outputs["scores"]

    def choose(self, rows: Sequence[int]) -> None:
        """Go on with these hypotheses, in this order."""
        if list(rows) != list(range(len(self._past["past_keys.0"]))):
            self._past = {name: array[list(rows)] for name, array in self._past.items()}


@dataclass(frozen=True, slots=True)
class Limits:
    """Of what is written of one clip."""

    tokens: int
    """No more are written."""
    repeats: int
    """So many times the same in a row, over twice as many tokens, is a loop."""
    never: NDArray[np.int64]
    """Tokens that are not written."""
    not_first: NDArray[np.int64]
    """Tokens with which nothing begins."""
    end: int
    """The token that ends."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What may have been said."""

    tokens: tuple[int, ...] = ()
    score: float = 0.0
    """Sum of the logarithms of the probabilities, that of the end included."""

    @property
    def mean(self) -> float:
        """The score of a token: who is longer does not lose for that."""
        return self.score / (len(self.tokens) + 1)


def search(memory: Memory, scores: Scores, beam: int, limits: Limits, run: Run) -> Hypothesis:
    """The likeliest text after `scores` [1, vocabulary]; with a beam of 1 the likeliest token each time.

    Who begins to repeat himself is done, and what is repeated is written once.
    """
    alive, done = [Hypothesis()], list[Hypothesis]()
    for count in range(limits.tokens + 1):
        run.check()
        scores[:, limits.never] = -np.inf
        if not count:
            scores[:, limits.not_first] = -np.inf
        going, rows = list[Hypothesis](), list[int]()
        for row, token, score in best(alive, log_softmax(scores), 2 * beam):
            if len(going) == beam:
                break
            if token == limits.end:
                done.append(Hypothesis(alive[row].tokens, score))
                continue
            grown = Hypothesis((*alive[row].tokens, token), score)
            if period(grown.tokens, limits.repeats):
                done.append(Hypothesis(once(grown.tokens, limits.repeats), score))
            else:
                going.append(grown)
                rows.append(row)
        if len(done) >= beam or not going:
            break
        memory.choose(rows)
        alive, scores = going, memory.put([[one.tokens[-1]] for one in going])
    return max(done or alive, key=lambda one: one.mean)


def best(alive: Sequence[Hypothesis], shares: Scores, count: int) -> list[tuple[int, int, float]]:
    """The likeliest ways to go on, best first: row of the hypothesis, next token, score of both."""
    sums = (shares + np.array([[one.score] for one in alive])).ravel()
    places = np.argpartition(-sums, count)[:count]
    places = places[np.argsort(-sums[places], kind="stable")]
    return [(*divmod(place, shares.shape[1]), float(sums[place])) for place in places.tolist()]


def period(tokens: tuple[int, ...], repeats: int) -> int:
    """Length of what the end repeats; 0: it repeats nothing."""
    for length in range(1, len(tokens) // repeats + 1):
        times = max(repeats, -(-2 * repeats // length))
        tail = tokens[-length * times :]
        if len(tail) == length * times and tail == tail[-length:] * times:
            return length
    return 0


def once(tokens: tuple[int, ...], repeats: int) -> tuple[int, ...]:
    """Without what the end repeats, but for its first time."""
    length = period(tokens, repeats)
    while length and tokens[-2 * length : -length] == tokens[-length:]:
        tokens = tokens[:-length]
    return tokens


def log_softmax(scores: Scores) -> Scores:
    """Along the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    logarithms: Scores = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logarithms
