"""`edged enroll` and `edged gallery`: the products that inventory-counting knows by name."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from edged.cli.options import AsJson, ConfigPath
from edged.cli.ownership import hand_over
from edged.cli.terminal import print_json, say, table
from edged.config import reading
from edged.contracts.errors import BadRequest, NotFound, NotMedia, TooLarge
from edged.contracts.product import UNKNOWN
from edged.flow.budget import Budget
from edged.repository.enrolment import SUFFIXES, decoded, enrolled, picture_bytes, sku_ids
from edged.repository.skus import FILE, numbered

app = typer.Typer()

LONGEST_NAME = 100
"""Characters of a SKU."""
PLAIN_SUFFIX = ".jpg"
"""Of a picture whose own name has none that the gallery reads; what it is, is read from its bytes."""


@app.command()
def enroll(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="Name of the product, as answers shall say it.")],
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURE", help="The product, filling the picture.")
    ],
    config: ConfigPath,
) -> None:
    """Teach a product: copy pictures of it into the gallery. A running daemon knows it with its next answer.

    Three to five pictures from the sides that a shelf shows are good; cut away what is not the product.
    """
    settings = reading.load(config)
    gallery, memory = settings.paths.gallery, Budget(settings.runtime.memory_bytes())
    folder = gallery / _checked(sku)
    data = [(picture, _read(picture, memory)) for picture in pictures]
    sku_ids(gallery, memory)  # what is there already comes first
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for picture, body in data:
            suffix = picture.suffix.lower() if picture.suffix.lower() in SUFFIXES else PLAIN_SUFFIX
            target = folder / f"{hashlib.sha256(body).hexdigest()[:16]}{suffix}"
            shutil.copyfile(picture, target)
    except OSError as error:
        raise NotFound(f"{folder} cannot be written: {error.strerror}") from error
    number = numbered(gallery, [sku])[sku]
    hand_over(gallery)
    say(f"{sku}, id {number}, has {_counts(gallery)[sku]} pictures in {folder}")


@app.command()
def gallery(*, as_json: AsJson = False, config: ConfigPath) -> None:
    """List the products that are enrolled, each with its id in answers.

    To forget one, delete its folder: should it come back, it has the same id.
    """
    settings = reading.load(config)
    folder, memory = settings.paths.gallery, Budget(settings.runtime.memory_bytes())
    ids, counts = sku_ids(folder, memory), sorted(_counts(folder).items())
    if as_json:
        print_json([{"id": ids.get(sku), "sku": sku, "pictures": count} for sku, count in counts])
        return
    rows = [(sku, ids.get(sku, "-"), count) for sku, count in counts]
    none = f"no product is enrolled in {folder}: edged enroll SKU PICTURE ..."
    table(f"gallery in {folder}", ("SKU", "id", "pictures"), rows, without=none)


def _counts(folder: Path) -> Counter[str]:
    return Counter(one.sku for one in enrolled(folder))


def _checked(sku: str) -> str:
    if (
        sku in ("", UNKNOWN, FILE)
        or sku[0] == "."
        or "/" in sku
        or len(sku) > LONGEST_NAME
        or not sku.isprintable()
    ):
        raise BadRequest(
            f"{sku!r} is no name for a product: 1 to {LONGEST_NAME} printable characters without /, not "
            f"beginning with a dot, and neither {UNKNOWN!r} nor {FILE!r}"
        )
    return sku


def _read(path: Path, memory: Budget) -> bytes:
    """A file that holds a picture."""
    try:
        data = picture_bytes(path)
        with decoded(data, memory):
            pass
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    except (NotMedia, TooLarge) as error:
        raise type(error)(f"{path}: {error}") from error
    return data
