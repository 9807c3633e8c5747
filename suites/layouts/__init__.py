"""Folders of images as the benchmarks' own evaluators read them."""
