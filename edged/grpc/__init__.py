"""KServe's protocol over gRPC: tensors in, tensors out; an extra beside HTTP, with its token and limits."""
