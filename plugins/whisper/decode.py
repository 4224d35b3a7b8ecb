"""From scores to tokens: the memory of what was written, and beam searches with their guards, together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged import Run, Session, Tensors

Scores = NDArray[np.float32]
"""[b, vocabulary]: of the next token of each hypothesis."""


class Memory:
    """Keys and values of the tokens of all hypotheses of a clip: room for all, written where they belong."""

    def __init__(self, session: Session, cross: Tensors, room: int) -> None:
        """`cross`: keys and values of the clip, as the graph `memory` gives them."""
        self.cross = cross
        self.past = _rooms(cross, 1, room)
        self.length = 0
        self._session = session
        self._heard = np.array([cross["cross_keys.0"].shape[3]])

    def put(self, tokens: Sequence[Sequence[int]]) -> Scores:
        """[b, n] more tokens; the scores of what follows."""
        fed = {"tokens": np.array(tokens), "start": np.array([self.length]), "heard": self._heard}
        outputs = self._session.run({**fed, **self.past, **self.cross})
        end = self.length + len(tokens[0])
        for name, array in self.past.items():
            array[..., self.length : end] = outputs[name.removeprefix("past_")]
        self.length = end
        return outputs["scores"]

    def choose(self, rows: Sequence[int]) -> None:
        """Go on with these hypotheses, in this order."""
        if list(rows) != list(range(len(self.past["past_keys.0"]))):
            self.past = {name: array[list(rows)] for name, array in self.past.items()}


class Rows:
    """What is remembered of several clips, a row each: the sound, and one hypothesis.

    The rows in use are the first ones, so what is fed is never copied; their sound is filled up to one length, for
    a runtime keeps memory for each length that it has met.
    """

    def __init__(self, session: Session, count: int, length: int) -> None:
        """`count`: rows, at most; `length`: states of the longest sound."""
        self._session = session
        self._count = count
        self._length = length
        self._arrays: dict[str, NDArray[np.float32]] = {}
        self._heard = np.zeros(count, np.int64)
        self._starts = np.zeros(count, np.int64)
        self._used = 0

    def join(self, memory: Memory) -> None:
        """One more row: a clip after its prompt."""
        row, length = self._used, memory.length
        heard = memory.cross["cross_keys.0"].shape[3]
        if not self._arrays:
            room = memory.past["past_keys.0"].shape[3]
            self._arrays = {
                name: np.zeros((self._count, *array.shape[1:3], self._length), np.float32)
                for name, array in memory.cross.items()
            } | _rooms(memory.cross, self._count, room)
        for name, array in memory.cross.items():
            self._arrays[name][row, ..., :heard] = array
        for name, array in memory.past.items():
            self._arrays[name][row, ..., :length] = array[0, ..., :length]
        self._heard[row], self._starts[row] = heard, length
        self._used += 1

    def leave(self, row: int) -> None:
        """The last row takes the place of this one."""
        self._used -= 1
        for array in (*self._arrays.values(), self._heard, self._starts):
            array[row] = array[self._used]

    def put(self, tokens: Sequence[int]) -> Scores:
        """One more token for each row; the scores of what follows."""
        used = self._used
        fed = {"tokens": np.array(tokens)[:, None], "start": self._starts[:used], "heard": self._heard[:used]}
        outputs = self._session.run({**fed, **{name: array[:used] for name, array in self._arrays.items()}})
        for name, array in self._arrays.items():
            if name.startswith("past_"):
                new = outputs[name.removeprefix("past_")]
                for row, start in enumerate(self._starts[:used].tolist()):
                    array[row, ..., start] = new[row, ..., 0]
        self._starts[:used] += 1
        return outputs["scores"]


def _rooms(cross: Tensors, count: int, room: int) -> dict[str, NDArray[np.float32]]:
    """Room for the keys and values of tokens, in every layer that has those of sound."""
    return {
        name.replace("cross_", "past_"): np.zeros((count, *array.shape[1:3], room), np.float32)
        for name, array in cross.items()
    }


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


class Search:
    """The likeliest text of one clip, word for word; with a beam of 1 the likeliest token each time.

    Who begins to repeat himself is done, and what is repeated is written once.
    """

    def __init__(self, beam: int, limits: Limits) -> None:
        self._beam = beam
        self._limits = limits
        self._alive, self._done = [Hypothesis()], list[Hypothesis]()
        self._left = limits.tokens + 1

    @property
    def found(self) -> Hypothesis:
        """The best so far."""
        return max(self._done or self._alive, key=lambda one: one.mean)

    @property
    def width(self) -> int:
        """Hypotheses that are followed; 0: it is over."""
        return len(self._alive) if self._left else 0

    def grow(self, scores: Scores) -> list[tuple[int, int]]:
        """How to go on after the scores [width, vocabulary]: rows of them with their next token."""
        limits = self._limits
        scores[:, limits.never] = -np.inf
        if self._left > limits.tokens:
            scores[:, limits.not_first] = -np.inf
        going, ways = list[Hypothesis](), list[tuple[int, int]]()
        for row, token, score in best(self._alive, scores, 2 * self._beam):
            if len(going) == self._beam:
                break
            if token == limits.end:
                self._done.append(Hypothesis(self._alive[row].tokens, score))
                continue
            grown = Hypothesis((*self._alive[row].tokens, token), score)
            if period(grown.tokens, limits.repeats):
                self._done.append(Hypothesis(once(grown.tokens, limits.repeats), score))
            else:
                going.append(grown)
                ways.append((row, token))
        self._left -= 1
        if len(self._done) >= self._beam or not going:
            self._left = 0
            return []
        self._alive = going
        return ways if self._left else []


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """A clip after its prompt."""

    memory: Memory
    scores: Scores
    """[1, vocabulary]: of its first token."""
    search: Search
    silent: float
    """Probability that nobody speaks."""


def search(memory: Memory, scores: Scores, one: Search, run: Run) -> None:
    """Write what was said in a clip, after `scores` [1, vocabulary]."""
    run.check()
    while ways := one.grow(scores):
        memory.choose([row for row, _ in ways])
        scores = memory.put([[token] for _, token in ways])
        run.check()


def search_together(clips: Iterator[Begun], session: Session, count: int, length: int, run: Run) -> None:
    """Write what was said in many clips, greedily and `count` at a time; who is done makes room for the next.

    `clips` is asked for one when there is room for it; `length`: states of the longest.
    """
    rows = Rows(session, count, length)
    going: list[Search] = []
    words: list[int] = []
    while True:
        while len(going) < count and (clip := next(clips, None)) is not None:
            if ways := clip.search.grow(clip.scores):
                rows.join(clip.memory)
                going.append(clip.search)
                words.append(ways[0][1])
        if not going:
            return
        run.check()
        scores = rows.put(words)
        for row in reversed(range(len(going))):  # who leaves is replaced by one that was looked at
            if ways := going[row].grow(scores[row : row + 1]):
                words[row] = ways[0][1]
            else:
                rows.leave(row)
                for kept in (going, words):
                    kept[row] = kept[-1]
                    kept.pop()


def best(alive: Sequence[Hypothesis], scores: Scores, count: int) -> list[tuple[int, int, float]]:
    """The likeliest ways to go on, best first: row of the hypothesis, next token, score of both.

    Takes them out of `scores`: a few are found sooner so than by any order of all of them.
    """
    ways: list[tuple[int, int, float]] = []
    for row, (one, own) in enumerate(zip(alive, scores, strict=True)):
        most = own.max()
        whole = float(most + np.log(np.exp(own - most).sum()))
        for _ in range(count):
            token = int(own.argmax())
            ways.append((row, token, one.score + float(own[token]) - whole))
            own[token] = -np.inf
    return sorted(ways, key=lambda way: -way[2])[:count]


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
