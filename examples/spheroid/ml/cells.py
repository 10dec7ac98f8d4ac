# Counts the connected patches of a mask, fast: runs per row, joined between neighbouring rows.
import numpy as np

SMALLEST = 12  # patches with fewer pixels are noise


def count_cells(mask):
    height, width = mask.shape
    # A run is a stretch of true pixels in one row; the padding ends every run inside its row.
    padded = np.zeros((height, width + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    edges = np.diff(padded, axis=1).ravel()
    starts = np.flatnonzero(edges == 1)
    ends = np.flatnonzero(edges == -1)
    if starts.size == 0:
        return 0

    # Runs touch when they overlap after moving one row down. Both lists are sorted, so the runs
    # that overlap run i are neighbours: first[i] up to last[i].
    below = width + 1
    first = np.searchsorted(ends, starts + below, side="right")
    last = np.searchsorted(starts, ends + below, side="left")
    pairs = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(starts.size), pairs)
    offset = np.arange(pairs.sum()) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    lower = np.repeat(first, pairs) + offset

    # Every run takes the smallest label among those it touches, until nothing changes.
    label = np.arange(starts.size)
    while True:
        before = label.copy()
        np.minimum.at(label, lower, label[upper])
        np.minimum.at(label, upper, label[lower])
        label = label[label]
        if np.array_equal(before, label):
            break

    pixels = np.bincount(label, weights=ends - starts)
    return int(np.count_nonzero(pixels >= SMALLEST))
