"""LitServe as its guide shows: one worker process, no batching."""

import litserve

from tests.bench.classifier import Classifier, arguments


class Api(litserve.LitAPI):
    """Base64 in, the classifier's answer out."""

    def __init__(self, *net) -> None:
        super().__init__()
        self._net = net

    def setup(self, device):
        self._classify = Classifier(*self._net)

    def decode_request(self, request):
        return request["image"]

    def predict(self, x):
        return self._classify(x)

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    port, net = arguments()
    litserve.LitServer(Api(*net), accelerator="cpu", workers_per_device=1).run(
        port=port, host="127.0.0.1", num_api_servers=1, generate_client_file=False, log_level="warning"
    )
