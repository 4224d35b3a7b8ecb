"""How accurate a variant is, as it was measured where its card was made, and shipped with the card."""

import datetime as dt

from pydantic import ConfigDict, Field

from edged.contracts.described import Described


class Evidence(Described):
    """What one variant got, with one class of instruction sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measure: str
    """What was measured: `CER`, `matched boxes`, `IoU`, `top-1`, `cosine`..., of which 1 is perfect and 0 is
    nothing; of an error rate it is 1 less the rate."""
    against: str
    """`f32`: with what the f32 variant answers; `truth`: with what was known of the items; or the id of
    another model, whose f32 answers stand for the truth."""
    value: float = Field(ge=0, le=1)
    """The measure over all items."""
    at_least: float = Field(ge=0, le=1)
    """The value less two standard errors over the items."""
    f32: float | None = Field(default=None, ge=0, le=1)
    """What f32 gets against the same truth; none: there is no f32, or it is what is compared with."""
    loses_at_most: float | None = None
    """How much less than f32 it gets against the truth, plus two standard errors of the difference item by
    item; none: not compared with a truth, or not with f32."""
    agreement: float | None = Field(default=None, ge=0, le=1)
    """The measure with what f32 answers, where another model stands for the truth."""
    items: int = Field(ge=1)
    """How many items were measured."""
    date: dt.date
    """When."""
    runtime: str
    """Version of the runtime."""
    recipe: str
    """Digest of what the variant was derived by; of another one nothing is told here."""

    @property
    def sentence(self) -> str:
        """The measure with its bound, for people."""
        by = "" if self.against == "f32" else f" (f32 {self.f32:.3f})" if self.f32 is not None else ""
        return f"{self.measure} {self.value:.3f}, at least {self.at_least:.3f}, against {self.against}{by}"
