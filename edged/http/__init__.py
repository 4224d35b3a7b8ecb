"""The daemon over HTTP: predictions, KServe's protocol, metrics, live results, a page."""
