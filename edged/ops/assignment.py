"""Which row belongs to which column, where only some pairs are possible, by what speaks against each."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

EXACT = 5
"""Up to so many rows and columns that are joined are matched as best they can be, more one by one."""

Costs = Mapping[tuple[int, int], float]
"""What speaks against a pair, by row and column; of those that can be."""


def assigned(costs: Costs) -> dict[int, int]:
    """By row the column of its pair; each is in one pair at most.

    As many pairs as possible and of those the cheapest, where few rows and columns come in question for each
    other; in a crowd the cheapest pair first.
    """
    pairs: dict[int, int] = {}
    for rows, columns in _groups(costs):
        if len(rows) == len(columns) == 1:
            pairs[rows[0]] = columns[0]
        elif max(len(rows), len(columns)) <= EXACT:
            pairs |= _cheapest(costs, rows, columns)
        else:
            pairs |= _one_by_one(costs, set(rows))
    return pairs


def _groups(pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[list[int], list[int]]]:
    """Rows and columns that are joined by possible pairs."""
    columns_of, rows_of = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    for row, column in pairs:
        columns_of[row].append(column)
        rows_of[column].append(row)
    while columns_of:
        rows, columns, joined = [], set[int](), [next(iter(columns_of))]
        while joined:
            if (row := joined.pop()) in columns_of:
                rows.append(row)
                for column in columns_of.pop(row):
                    columns.add(column)
                    joined += rows_of.pop(column, ())
        yield sorted(rows), sorted(columns)


def _cheapest(costs: Costs, rows: list[int], columns: list[int]) -> dict[int, int]:
    size = max(len(rows), len(columns))
    square = np.full((size, size), 1e3)
    square[: len(rows), : len(columns)] = [[costs.get((i, j), 1e3) for j in columns] for i in rows]
    best = _orders(size)[square[np.arange(size), _orders(size)].sum(axis=1).argmin()].tolist()
    pairs = ((i, columns[k]) for i, k in zip(rows, best, strict=False) if k < len(columns))
    return {i: j for i, j in pairs if (i, j) in costs}


@lru_cache(maxsize=EXACT)
def _orders(size: int) -> NDArray[np.intp]:
    """Every order of so many."""
    return np.array(list(permutations(range(size))), np.intp)


def _one_by_one(costs: Costs, rows: Collection[int]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    taken = set[int]()
    near = ((cost, i, j) for (i, j), cost in costs.items() if i in rows)
    for _, i, j in sorted(near):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs
