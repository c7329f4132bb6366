"""Finds every face in the photos of a school, groups the faces into students, and makes an album of each."""

import os

# Polars' allocator (jemalloc) reads this once, when Polars is loaded: it would hold some ten megabytes of freed memory
# for each of its threads otherwise.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
