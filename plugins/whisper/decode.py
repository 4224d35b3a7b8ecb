"""From scores to tokens: the memory of what was written, and beam searches with their guards, together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged import Run, Session, Tensors

Scores = NDArray[np.float32]
"""[b, vocabulary]: of the next token of each hypothesis."""


class Memory:
    """Keys and values of what was heard and written, a row each hypothesis: of one clip, or one of each clip.

    There is room for all tokens; they are written where they belong.
    """

    def __init__(self, session: Session, cross: Tensors, heard: Sequence[int], room: int) -> None:
        """`cross`: keys and values of the clips, as `remembered` gives them; `heard`: how many of each."""
        self._session = session
        self._heard = np.array(heard)
        self._cross = cross
        self._past = {
            name.replace("cross_", "past_"): np.zeros((*array.shape[:3], room), np.float32)
            for name, array in cross.items()
        }
        self.length = 0

    def put(self, tokens: Sequence[Sequence[int]]) -> Scores:
        """[b, n] more tokens; the scores of what follows."""
        fed = {"tokens": np.array(tokens), "start": np.array([self.length]), "heard": self._heard}
        outputs = self._session.run({**fed, **self._past, **self._cross})
        end = self.length + len(tokens[0])
        for name, array in self._past.items():
            array[..., self.length : end] = outputs[name.removeprefix("past_")]
        self.length = end
        return outputs["scores"]

    def choose(self, rows: Sequence[int]) -> None:
        """Go on with these hypotheses, in this order. All of a single clip share what was heard."""
        chosen = list(rows)
        if chosen == list(range(len(self._past["past_keys.0"]))):
            return
        self._past = {name: array[chosen] for name, array in self._past.items()}
        if len(self._heard) > 1:
            self._cross = {name: array[chosen] for name, array in self._cross.items()}
            self._heard = self._heard[chosen]


def remembered(states: Sequence[NDArray[np.float32]], memory: Session, length: int) -> Tensors:
    """Keys and values of clips, [clips, h, 64, t], of the `states` [1, t, d] of each.

    `length`: to which several are filled up.
    """
    if len(states) == 1:
        return memory.run({"states": states[0]})
    cross: dict[str, NDArray[np.float32]] = {}
    for row, one in enumerate(states):
        for name, array in memory.run({"states": one}).items():
            if not row:
                cross[name] = np.zeros((len(states), *array.shape[1:3], length), np.float32)
            cross[name][row, ..., : array.shape[3]] = array
    return cross


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


def search(memory: Memory, scores: Scores, searches: Sequence[Search], run: Run) -> None:
    """Write what was said in each clip, all word by word together, after `scores` [clips, vocabulary].

    A clip that is done leaves the memory.
    """
    going = list(searches)
    while going:
        run.check()
        rows, tokens, first = list[int](), list[list[int]](), 0
        for one in going:
            width = one.width
            for row, token in one.grow(scores[first : first + width]):
                rows.append(first + row)
                tokens.append([token])
            first += width
        going = [one for one in going if one.width]
        if going:
            memory.choose(rows)
            scores = memory.put(tokens)


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
