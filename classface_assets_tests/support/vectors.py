"""Made-up vectors for tests."""

import numpy as np

from classface_assets.core.arrays import l2_normalize


def unit(vectors: np.ndarray) -> np.ndarray:
    """The (n, d) vectors scaled to unit length, as float32, as embeddings are stored."""
    return l2_normalize(vectors).astype(np.float32)
