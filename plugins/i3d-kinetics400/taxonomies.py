"""What the classes of the net are called: by their own names, or by UCF101's where those correspond."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edged import ActionClassification, CardError, Taxonomy

UCF101: Taxonomy = "ucf101"
KINETICS400: Taxonomy = "kinetics400"


@dataclass(frozen=True, slots=True, eq=False)
class Taxonomies:
    """The names of the net's own classes, then those of UCF101, and which of them correspond."""

    names: Sequence[str]
    own: int
    """So many are the net's."""
    shares: NDArray[np.float32]
    """[UCF101's, the net's]: 1 where they correspond."""

    @classmethod
    def of(cls, names: Sequence[str], table: Mapping[str, Sequence[str]]) -> "Taxonomies":
        """`names`: all labels. Raises `CardError` where the table does not fit them."""
        own = len(names) - len(table)
        if tuple(names[own:]) != tuple(table):
            raise CardError("the last labels are to be the names of `ucf101`, in the same order")
        listed = [name for meant in table.values() for name in meant]
        if unknown := set(listed) - set(names[:own]):
            raise CardError(f"`ucf101` names classes that there are not: {', '.join(sorted(unknown))}")
        if len(set(listed)) < len(listed):
            raise CardError("`ucf101` names a class twice")
        shares = [[name in meant for name in names[:own]] for meant in table.values()]
        return cls(names, own, np.array(shares, np.float32))

    def called(self, probabilities: NDArray[np.floating], taxonomy: str) -> ActionClassification:
        """The net's [own] probabilities under the names that were asked for; those of others are 0."""
        theirs = self.shares @ probabilities
        ours = np.asarray(probabilities)
        if taxonomy == KINETICS400:
            theirs = np.zeros_like(theirs)
        elif taxonomy == UCF101:
            theirs, ours = theirs / max(theirs.sum(), np.finfo(np.float32).tiny), np.zeros_like(ours)
        else:
            ours = np.where(self.shares.any(axis=0), 0, ours)
        whose = [KINETICS400] * self.own + [UCF101] * len(theirs)
        return ActionClassification(np.concatenate([ours, theirs]).astype(np.float32), self.names, whose)
