"""Arrays as text."""

import numpy as np
import orjson
from numpy.typing import NDArray


def joined(array: NDArray[np.floating]) -> str:
    """[n] as `f,f,...`, and [m, n] as such vectors joined by `;`; as many digits as its type holds."""
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return text.strip("[]").replace("],[", ";")
