"""The servers that `serve.py` compares with: one classifier behind LitServe and behind bare Starlette.

`python -m tests.bench.peers litserve|starlette PORT GRAPH LABELS SIDE THREADS`. Both do what edged does for
such a request, as somebody would write it by hand: Base64, JPEG, resize, one run of the same graph, every
class's probability as JSON. LitServe's worker is a process, Starlette's a thread.
"""

import base64
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import openvino


class Classifier:
    """The graph that edged derived (u8 NHWC in, probabilities out), opened with as many threads as there."""

    def __init__(self, graph: str, labels: str, side: int, threads: int) -> None:
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        core = openvino.Core()
        self._compiled = core.compile_model(core.read_model(graph), "CPU", settings)
        self._labels = json.loads(Path(labels).read_text("utf-8"))
        self._side = side

    def __call__(self, image: str) -> dict:
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(image), np.uint8), cv2.IMREAD_COLOR)
        small = cv2.cvtColor(cv2.resize(picture, (self._side, self._side)), cv2.COLOR_BGR2RGB)
        scores = np.asarray(self._compiled(small[None])[0], np.float32).reshape(-1)
        best = int(scores.argmax())
        probs = {name: float(score) for name, score in zip(self._labels, scores, strict=True)}
        return {"class": best, "class_name": self._labels[best], "class_probs": probs}


def litserve(port: int, *net) -> None:
    """LitServe as its guide shows: one worker, no batching."""
    import litserve as ls

    class Api(ls.LitAPI):
        def setup(self, device):
            self.classify = Classifier(*net)

        def decode_request(self, request):
            return request["image"]

        def predict(self, x):
            return self.classify(x)

        def encode_response(self, output):
            return output

    ls.LitServer(Api(), accelerator="cpu", workers_per_device=1).run(
        port=port, host="127.0.0.1", num_api_servers=1, generate_client_file=False, log_level="warning"
    )


def starlette(port: int, *net) -> None:
    """Starlette on uvicorn: the event loop reads and writes, one thread classifies."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    classify, worker = Classifier(*net), ThreadPoolExecutor(1)

    async def predict(request):
        body = await request.json()
        loop = asyncio.get_running_loop()
        return JSONResponse(await loop.run_in_executor(worker, classify, body["image"]))

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    kind, port, graph, labels, side, threads = sys.argv[1:]
    {"litserve": litserve, "starlette": starlette}[kind](int(port), graph, labels, int(side), int(threads))
