"""All files of models in one place, by their checksums: what `pull --from` takes, without a network."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from edged.contracts.card import ModelCard
from edged.contracts.errors import RepositoryError
from edged.contracts.slot import Report
from edged.weights.depot import Stock
from edged.weights.store import WeightStore
from edged.weights.transfer import disk


class Mirror:
    """Fills a place. What is there stays: in a folder if its hash, in a store if its length is right."""

    def __init__(self, to: Stock, models: Path) -> None:
        """`models`: the folder of this machine's models, whose weights need not travel."""
        self._to = to
        self._models = models
        self._own = WeightStore(models)

    def add(self, card: ModelCard, name: str, report: Report) -> None:
        """Have one file there: from this machine, else from its origins.

        Raises `OriginError` with what each origin said, `RepositoryError` when the disk is full.
        """
        if isinstance(self._to, Path):
            self._fill(self._to, card, name, report)
        elif not self._to.holds(card, name):
            with disk(self._models):
                self._models.mkdir(parents=True, exist_ok=True)
                passing = TemporaryDirectory(dir=self._models, prefix=".mirror-")
            with passing as folder:
                self._to.put(card, name, self._fill(Path(folder), card, name, report))

    def _fill(self, root: Path, card: ModelCard, name: str, report: Report) -> Path:
        store = WeightStore(root)
        if self._own.find(card, name) is not None:
            try:
                return store.ensure(card, [name], report, self._models)[name]
            except RepositoryError:  # its origins may have one that is not damaged
                pass
        return store.ensure(card, [name], report)[name]


def distinct(cards: Iterable[ModelCard]) -> Iterator[tuple[ModelCard, str]]:
    """The files of models, each once though several have it."""
    seen = set()
    for card in cards:
        for name, weights in card.weights.items():
            if (known := (weights.checksum, name)) not in seen:
                seen.add(known)
                yield card, name
