"""RapidOCR as it comes, on the engine that is named: `python rapidocr_peer.py openvino`.

Reads a path of a picture from each line of stdin, and writes what it says to stdout: one JSON a line, of
`ms`, `places` [n, 4, 2] (x, y) and `texts`. It imports nothing of ours, so that any Python can run it.
"""

import json
import sys
import time

import cv2
from rapidocr import EngineType, RapidOCR  # type: ignore[import-not-found]


def main() -> None:
    engines = {f"{part}.engine_type": EngineType(sys.argv[1]) for part in ("Det", "Cls", "Rec")}
    reader = RapidOCR(params={**engines, "Global.log_level": "error"})
    for line in sys.stdin:
        picture = cv2.imread(line.strip())
        started = time.perf_counter()
        found = reader(picture)
        ms = (time.perf_counter() - started) * 1000
        said = {"ms": ms, "places": [], "texts": []}
        if found.txts is not None:
            said |= {"places": [box.tolist() for box in found.boxes], "texts": list(found.txts)}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
