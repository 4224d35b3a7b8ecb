"""What is done with weights once, when a model is pulled: build, fold, quantize, try."""
