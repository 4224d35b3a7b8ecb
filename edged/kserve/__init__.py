"""KServe's protocol v2, as far as it is the same over HTTP and gRPC: models, metadata, tensors."""
