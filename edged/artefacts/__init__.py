"""Files that requests and cameras leave: a folder of this box, or whatever store fsspec reaches."""
