"""Levitated markers: wordpieces that stand for the two concepts of a candidate without being part of the text.

Source: Ye et al. 2022, "Packed levitated marker for entity and relation extraction", section 3. A candidate gets two
markers behind the text. Each has the position of a mention, sees the text and its partner, and is seen by nothing but
its partner; so one pass reads the text for each candidate by itself.
"""

from typing import List, Sequence, Tuple

import numpy
from numpy.typing import NDArray

from .layout import Layout

# Candidates whose mentions never come nearer than so many wordpieces have no markers.
MOST_DISTANT = 64
# More candidates in one window make it several, with the same text: attention grows with the square of the length.
MOST_CANDIDATES = 256


def place_markers(
    layout: Layout,
    windows: Sequence[Sequence[Tuple[int, int]]],
    marker_ids: NDArray[numpy.int64],
    n_before: int,
) -> List[NDArray[numpy.int64]]:
    """The markers of each window. Those of a candidate stand at its nearest two mentions, in the window where these
    have most text around them. A candidate whose nearest mentions are far apart, or not in one window, has no markers.

    layout (Layout): The documents with their candidates, in wordpieces.
    windows (Sequence[Sequence[Tuple[int, int]]]): For each document the first and the one-after-last wordpiece of its
        windows, as numbers within all documents.
    marker_ids (NDArray[int64]): The wordpiece id of the marker of each class of entity types; shape (classes + 1,).
    n_before (int): How many special tokens stand before the text in each window.
    RETURNS (List[NDArray[int64]]): For each window, in the order of the documents, for each of its k candidates the
        number of the candidate, the places of its two markers in the window, and their ids; shape (k, 5).
    """
    found = []
    for (_, _, _, _, first, last), of_document in zip(layout.documents, windows):
        places = layout.mentions[layout.nearest_mentions[first:last], 0]
        ids = marker_ids[layout.concept_types[layout.candidates[first:last]]]
        starts, ends = numpy.asarray(of_document, dtype="int64").reshape(-1, 2).T
        margins = numpy.minimum(
            places.min(axis=1, keepdims=True) - starts, ends - 1 - places.max(axis=1, keepdims=True)
        )
        best = margins.argmax(axis=1)
        is_inside = (margins.max(axis=1) >= 0) & (layout.gaps[first:last] <= MOST_DISTANT)
        for window, start in enumerate(starts):
            chosen = numpy.flatnonzero(is_inside & (best == window))
            found.append(numpy.column_stack([chosen + first, places[chosen] - start + n_before, ids[chosen]]))
    return found


def split_crowded(
    windows: Sequence[NDArray[numpy.int64]],
    places: Sequence[NDArray[numpy.int64]],
    markers: Sequence[NDArray[numpy.int64]],
) -> Tuple[List[NDArray[numpy.int64]], List[NDArray[numpy.int64]], List[NDArray[numpy.int64]]]:
    """Repeat windows that have more candidates than can be read at once, each time with others.

    windows (Sequence[NDArray[int64]]), places (Sequence[NDArray[int64]]), markers (Sequence[NDArray[int64]]): Of each
        window, see `DocumentBatch`.
    RETURNS (Tuple[List[NDArray[int64]], List[NDArray[int64]], List[NDArray[int64]]]): The same of the windows that are
        read.
    """
    split: Tuple[List, List, List] = ([], [], [])
    for window, of_text, of_candidates in zip(windows, places, markers):
        for first in range(0, max(len(of_candidates), 1), MOST_CANDIDATES):
            split[0].append(window)
            # The text of a repeated window has been read; it must not weigh more where windows overlap.
            split[1].append(of_text if not first else of_text[:0])
            split[2].append(of_candidates[first : first + MOST_CANDIDATES])
    return split
