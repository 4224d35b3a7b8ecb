"""Bare Starlette on uvicorn: the event loop reads and writes, one thread classifies."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.bench.classifier import Classifier, arguments

if __name__ == "__main__":
    port, net = arguments()
    classify, worker = Classifier(*net), ThreadPoolExecutor(1)

    async def predict(request):
        body = await request.json()
        loop = asyncio.get_running_loop()
        return JSONResponse(await loop.run_in_executor(worker, classify, body["image"]))

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
