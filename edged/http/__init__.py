"""The daemon over HTTP: predictions, KServe's health and metadata, metrics, live results, a page."""
