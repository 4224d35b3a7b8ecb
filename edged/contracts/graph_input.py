"""What a graph is fed with, as its card says."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from edged.contracts.described import Described
from edged.contracts.errors import CardError
from edged.contracts.items import Colour, Fit, PixelFormat


class _Part(Described):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PictureInput(_Part):
    """A graph input that is a picture. Fit and colour happen outside of the graph, the rest is folded in."""

    kind: Literal["picture"] = "picture"
    size: tuple[int | None, int | None]
    """(height, width), pixels; none: any, the plugin chooses one for each call."""
    fit: Fit
    colour: Colour
    pad: int = Field(default=0, ge=0, le=255)
    """Value of the padding of a letterbox."""
    short_side: int | None = None
    """Length to which `crop` scales the shorter side, pixels; none: just so that the canvas is full."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Subtracted, per channel in the order of `colour`, in units of 0 to 255."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Divided by, per channel, in units of 0 to 255."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.short_side is not None and (
            self.fit is not Fit.CROP or self.short_side < max(length or 0 for length in self.size)
        ):
            raise ValueError("`short_side` is for `fit: crop`, and no less than either side of `size`")
        return self

    @property
    def fixed_size(self) -> tuple[int, int]:
        """(height, width). Raises `CardError` when one of them is free."""
        height, width = self.size
        if height is None or width is None:
            raise CardError("the plugin wants a picture input of one size")
        return height, width

    @property
    def format(self) -> PixelFormat:
        """What to ask a frame for. Raises `CardError` when the size is free."""
        return PixelFormat(self.fixed_size, self.fit, self.colour, self.pad, self.short_side)


class TensorInput(_Part):
    """A graph input that is fed as it is."""

    kind: Literal["tensor"] = "tensor"
    shape: tuple[int, ...]
    dtype: Literal["f32", "i64", "i32", "u8"] = "f32"


def _kind_of(said: Any) -> str:
    """Which of both was meant, so that what is wrong with it is told of that one alone."""
    kind = said.get("kind") if isinstance(said, Mapping) else getattr(said, "kind", None)
    is_tensor = kind == "tensor" or (kind != "picture" and isinstance(said, Mapping) and "shape" in said)
    return TensorInput.__name__ if is_tensor else PictureInput.__name__


GraphInput = Annotated[
    Annotated[PictureInput, Tag(PictureInput.__name__)] | Annotated[TensorInput, Tag(TensorInput.__name__)],
    Discriminator(_kind_of),
]
"""What a graph is fed with."""
