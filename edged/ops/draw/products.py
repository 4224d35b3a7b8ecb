"""Products on a shelf, and how many there are of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from edged.contracts.items import Pixels
from edged.ops.draw.boxes import boxed
from edged.ops.draw.pen import Pen, colour_of, listed, readable


def draw_products(pictures: Sequence[Pixels], answer: Mapping[str, Any]) -> Pixels:
    """A box in the colour of its SKU around every product, and a list of the counts."""
    canvas, factor = readable(pictures[0])
    pen = Pen.for_picture(canvas)
    boxes = [[edge * factor for edge in box] for box in answer["detection_boxes"]]
    names = answer["detection_class_names"]
    boxed(canvas, boxes, names, names, pen)
    counts = sorted(answer["product_count"].items(), key=lambda pair: -pair[1])
    listed(canvas, [(f"{count} x {sku}", colour_of(sku)) for sku, count in counts], pen)
    return canvas
