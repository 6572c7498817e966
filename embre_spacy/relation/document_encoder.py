"""The document encoder: one pass of the transformer over a document, whatever the number of its candidates.

Candidates may have levitated markers: two wordpieces behind the text (Ye et al. 2022, "Packed levitated marker for
entity and relation extraction", section 3). Each has the position of a mention and attends to the text, to itself and
to its partner, which alone attends to it. So one pass reads the text for each candidate by itself.
"""

from dataclasses import dataclass
from inspect import signature
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import EmbreError
from ..transformer.checkpoint import autocast, choose_window, first_position, has_given_positions
from ..transformer.text import Wordpieces, encode, round_up, split_windows, tag_text
from .encoder import MAX_CANDIDATES, TransformerEncoder, split_candidates
from .features import CandidateFeatures, DocCandidates, make_features
from .pooling import CandidatePooling

# Candidates whose mentions are all farther apart than this many wordpieces have no markers.
MAX_MARKED_DISTANCE = 64
# The most candidates with markers in one pass. A window with more is read several times: the cost of attention grows
# with the square of the length.
MAX_MARKED = 256

_NONE = numpy.zeros(0, dtype="int64")


def create_document_encoder(
    name: str,
    tags: bool = True,
    window: Optional[int] = None,
    overlap: int = 64,
    hidden_width: int = 256,
    n_heads: int = 8,
    dropout: float = 0.1,
    hidden_dropout: Optional[float] = None,
    attention_dropout: Optional[float] = 0.0,
    precision: str = "auto",
    batch_wordpieces: int = 2048,
    markers: bool = True,
    mention_dropout: float = 0.0,
    word_dropout: float = 0.0,
) -> "DocumentEncoder":
    """One pass of the transformer over each document (`embre_spacy.DocumentEncoder.v1`).

    name (str): The pretrained transformer: a Hugging Face folder, "package:NAME", or a name on a hub.
    tags (bool): Whether a tag with the entity type stands before and after every mention.
    window (Optional[int]): The most wordpieces of text in one pass; as many as the transformer takes if None.
    overlap (int): The least number of wordpieces that neighbouring windows of a long document share.
    hidden_width (int): The width of the vectors that stand for the source and the target of a candidate.
    n_heads (int): The number of attention heads that find the context of a candidate, a divisor of the vectors' width.
    dropout (float): The dropout on the vectors of candidates.
    hidden_dropout (Optional[float]), attention_dropout (Optional[float]): The dropout in the transformer after each
        layer, and of attention weights, which halves the training speed on CPUs; its own setting if None.
    precision (str): "float32", "bfloat16", or "auto" for bfloat16 where the device is faster with it.
    batch_wordpieces (int): The most wordpieces, padding and markers included, in one call of the transformer. A CPU
        predicts each window in a separate call, so that the scores are the same for every batch size.
    markers (bool): Whether each candidate gets levitated markers. They need a transformer with absolute position
        embeddings only, such as BERT and RoBERTa; MPNet and DeBERTa have relative ones.
    mention_dropout (float): The probability that all mentions of a concept are masked in training, so that relations
        are learned from what the text says of concepts, and not from their names.
    word_dropout (float): The share of other wordpieces that are masked in training.
    RETURNS (DocumentEncoder): The encoder, without layers yet.
    RAISES (EmbreError): If a share is not at least 0 and less than 1.
    """
    settings = locals()
    if not (0.0 <= mention_dropout < 1.0 and 0.0 <= word_dropout < 1.0):
        cause = f"must be at least 0 and less than 1, not {mention_dropout} and {word_dropout}"
        raise EmbreError(f"encoder {name!r}: `mention_dropout` and `word_dropout` {cause}")
    return DocumentEncoder(settings)


@dataclass
class DocumentArrays:
    """Documents of n wordpieces in all, one after the other."""

    # The wordpiece ids of each window, special tokens included; and those that are read again, for more markers.
    windows: List[NDArray[numpy.int64]]
    places: List[NDArray[numpy.int64]]  # where the wordpieces of the former, without special tokens, are among the n
    # For each of the k candidates with markers in a window its number, the places of its two markers in the window, and
    # their ids; shape (k, 5).
    markers: List[NDArray[numpy.int64]]
    features: CandidateFeatures  # a mention encloses its tags


class DocumentEncoder(TransformerEncoder):
    """Vectors of candidates from one pass over their document. The vector of a mention is that of its first wordpiece,
    which is its opening tag if there are tags."""

    kind = "DocumentEncoder"
    weight_settings = ("tags", "markers", "hidden_width", "n_heads")

    def make_layers(self) -> None:
        """Also raises EmbreError if the transformer cannot be told the positions of markers."""
        window, overlap, name = (self.settings[key] for key in ("window", "overlap", "name"))
        self.window = choose_window(self.transformer, self.tokenizer, window, overlap, name)
        if self.settings["markers"] and not has_given_positions(self.transformer):
            cause = "has no position embeddings that markers could share: set `markers` of the encoder to false"
            raise EmbreError(f"{type(self.transformer).__name__} {cause}")
        width = self.transformer.config.hidden_size
        self.takes_segments = "token_type_ids" in signature(self.transformer.forward).parameters
        self.pooling = CandidatePooling(
            width,
            n_entity_types=len(self.entity_types),
            marker_width=width if self.settings["markers"] else 0,
            **{key: self.settings[key] for key in ("hidden_width", "n_heads", "dropout")},
        )
        self.width = self.pooling.width
        # The opening tag of each entity type; the mask where there is none, and for the class of unknown types.
        mask = self.tokenizer.mask_token_id
        other = self.tokenizer.unk_token_id if mask is None else mask
        tags = (self.tag_ids.get(name, (other,))[0] for name in self.entity_types)
        self.marker_ids = numpy.asarray([other, *tags], dtype="int64")

    def prepare(self, documents: Sequence[DocCandidates], *, is_train: bool = False) -> DocumentArrays:
        texts = [tag_text(document.doc.text, document.mentions, self.tag_ids) for document in documents]
        pieces = encode(self.tokenizer, texts)
        features = make_features(
            documents, [text.mentions for text in pieces], [len(text) for text in pieces], self.entity_types
        )
        ids = numpy.concatenate([text.ids for text in pieces])
        if is_train:
            ids = self._mask_inputs(ids, pieces, features)
        windows, places, markers = [], [], []
        for text, (units, _, candidates) in zip(pieces, features.documents):
            spans = numpy.asarray(split_windows(len(text), self.window, self.settings["overlap"])) + units.start
            windows += [numpy.concatenate([self.before, ids[start:end], self.after]) for start, end in spans]
            places += [numpy.arange(start, end) for start, end in spans]
            markers += self._place_markers(features, candidates if self.settings["markers"] else slice(0, 0), spans)
        # What has too many markers is read again, each time with others.
        for i in range(len(places)):
            later = range(MAX_MARKED, len(markers[i]), MAX_MARKED)
            windows += [windows[i]] * len(later)
            markers += [markers[i][first : first + MAX_MARKED] for first in later]
            markers[i] = markers[i][:MAX_MARKED]
        return DocumentArrays(windows, places, markers, features)

    def _mask_inputs(
        self, ids: NDArray[numpy.int64], pieces: Sequence[Wordpieces], features: CandidateFeatures
    ) -> NDArray[numpy.int64]:
        """Mask all mentions of some concepts, and some other wordpieces, but no tags. The random numbers are NumPy's,
        which `spacy train` seeds."""
        mention_dropout, word_dropout = self.settings["mention_dropout"], self.settings["word_dropout"]
        if not mention_dropout and not word_dropout:
            return ids
        if self.tokenizer.mask_token_id is None:
            raise EmbreError("`mention_dropout` and `word_dropout` need a tokenizer with a mask token")
        is_masked = numpy.random.random(len(ids)) < word_dropout
        mentions = features.concept_mentions[numpy.random.random(len(features.concept_mentions)) < mention_dropout]
        for start, end in features.mentions[numpy.unique(mentions[mentions >= 0])]:
            is_masked[start:end] = True
        is_tag = numpy.concatenate([text.is_tag for text in pieces])
        return numpy.where(is_masked & ~is_tag, self.tokenizer.mask_token_id, ids)

    def _place_markers(
        self, features: CandidateFeatures, candidates: slice, windows: NDArray[numpy.int64]
    ) -> List[NDArray[numpy.int64]]:
        """The markers of each window of a document. They stand at the nearest two mentions of a candidate, unless these
        are far apart, in the window where these have most text around them, if one has both."""
        places = features.mentions[features.nearest_mentions[candidates], 0]
        # In pieces, since a full text has many windows, too.
        best = numpy.concatenate([_choose_windows(piece, windows) for piece in split_candidates(places)])
        best[features.distances[candidates] > MAX_MARKED_DISTANCE] = -1
        markers = []
        for window, (start, _) in enumerate(windows):
            rows = numpy.flatnonzero(best == window)
            numbers = rows + candidates.start
            ids = self.marker_ids[features.concept_types[features.candidates[numbers]]]
            markers.append(numpy.column_stack([numbers, places[rows] - start + len(self.before), ids]))
        return markers

    def forward(self, arrays: DocumentArrays, *vectors: Tensor) -> Iterator[Tuple[NDArray[numpy.int64], Tensor]]:
        features, windows = arrays.features, numpy.arange(len(arrays.windows))
        # Of windows that are read again for more markers some at a time.
        step = MAX_CANDIDATES // MAX_MARKED
        portions = numpy.split(windows, range(len(arrays.places) + step, len(windows), step))
        later = numpy.concatenate([_NONE, *(arrays.markers[i][:, 0] for portion in portions[1:] for i in portion)])
        pool = None
        for portion in portions:
            of_pieces, marked, markers = self.read(arrays, portion)
            numbers = numpy.sort(marked)
            if pool is None:
                # A mention without wordpieces (the tokenizer drops its characters) can start after the last wordpiece.
                starts = torch.from_numpy(features.mentions[:, 0].copy()).to(self.device).clamp(max=len(of_pieces) - 1)
                pool = self.pooling(of_pieces, of_pieces[starts], features)
                numbers = numpy.setdiff1d(numpy.arange(len(features.candidates)), later)
            for some in split_candidates(numbers):
                yield some, pool(some, None if markers is None else _align_markers(some, marked, markers))

    def read(
        self, arrays: DocumentArrays, windows: Sequence[int]
    ) -> Tuple[Tensor, NDArray[numpy.int64], Optional[Tensor]]:
        """What windows say, in float32: the vectors of all wordpieces, averaged where windows overlap, shape (n,
        width); the numbers of the k candidates with markers in them, shape (k,), and the vectors of these, shape (k, 2,
        width), None for an encoder without markers."""
        groups = self.group(arrays, windows)
        # One autocast context for all calls, so that weights are cast once.
        with autocast(self.settings["precision"], self.device):
            outputs = [self.transformer(**self.make_inputs(arrays, group)).last_hidden_state for group in groups]
        width, first = outputs[0].shape[2], len(self.before)
        pieces, places, markers, marked = [outputs[0][0, :0]], [_NONE], [], []
        for group, output in zip(groups, outputs):
            longest = max(len(arrays.windows[i]) for i in group)
            for i, row in zip(group, output):
                if i < len(arrays.places):
                    places.append(arrays.places[i])
                    pieces.append(row[first : first + len(arrays.places[i])])
                marked.append(arrays.markers[i][:, 0])
                markers.append(row[longest : longest + 2 * len(arrays.markers[i])])
        numbers = numpy.concatenate(places)
        times = numpy.bincount(numbers, minlength=arrays.features.n_units)[:, None]
        summed = torch.zeros(len(times), width, device=self.device)
        summed = summed.index_add(0, torch.from_numpy(numbers).to(self.device), torch.cat(pieces).float())
        vectors = summed / torch.from_numpy(times).to(self.device)
        of_markers = torch.cat(markers).float().view(-1, 2, width) if self.settings["markers"] else None
        return vectors, numpy.concatenate(marked), of_markers

    def make_inputs(self, arrays: DocumentArrays, group: List[int]) -> Dict[str, Optional[Tensor]]:
        """What the transformer gets in one call for a group of windows: in each row a window and, behind the longest,
        its markers, the two of a candidate next to each other, with the positions of what they stand for."""
        windows = [arrays.windows[i] for i in group]
        if not self.settings["markers"]:
            ids, mask = self.pad(windows)
            return {"input_ids": ids, "attention_mask": mask}
        markers = [arrays.markers[i] for i in group]
        length = max(map(len, windows))
        width = length + 2 * max(map(len, markers))
        width = round_up(width) if self.training else width
        ids = torch.full((len(group), width), self.transformer.config.pad_token_id or 0)
        positions = torch.arange(width).clamp(max=length - 1).repeat(len(group), 1)
        attention_mask = torch.zeros(len(group), width, width)
        for row, (window, of_window) in enumerate(zip(windows, markers)):
            last = length + 2 * len(of_window)
            ids[row, : len(window)] = torch.from_numpy(window)
            ids[row, length:last] = torch.from_numpy(of_window[:, 3:].flatten())
            positions[row, length:last] = torch.from_numpy(of_window[:, 1:3].flatten())
            # Padding attends to the text too: a row that attends to nothing gives no numbers.
            attention_mask[row, :, : len(window)] = 1
            own = torch.arange(length, last)
            attention_mask[row, own, own] = 1
            attention_mask[row, own, own.view(-1, 2).flip(1).flatten()] = 1
        positions += first_position(self.transformer)
        inputs = {"input_ids": ids, "attention_mask": attention_mask, "position_ids": positions}
        if self.takes_segments:
            # With markers, the input can be longer than the default `token_type_ids` of the transformer.
            inputs["token_type_ids"] = torch.zeros_like(ids)
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}

    def group(self, arrays: DocumentArrays, windows: Sequence[int]) -> List[List[int]]:
        """Which windows of some are read at once: those of similar length, as many as `batch_wordpieces` allows. On a
        CPU, where that gains little, each is predicted alone: a document gets the same scores in any batch."""
        if not self.training and self.device.type == "cpu":
            return [[i] for i in windows]
        groups: List[List[int]] = []
        text = markers = 0
        for i in sorted(windows, key=lambda i: len(arrays.windows[i]) + 2 * len(arrays.markers[i]), reverse=True):
            own = len(arrays.windows[i]), 2 * len(arrays.markers[i])
            text, markers = max(text, own[0]), max(markers, own[1])
            if groups and (len(groups[-1]) + 1) * (text + markers) <= self.settings["batch_wordpieces"]:
                groups[-1].append(i)
            else:
                groups.append([i])
                text, markers = own
        return groups


def _choose_windows(places: NDArray[numpy.int64], windows: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """The window with most text around each two places, shape (k, 2); -1 where no window has both."""
    starts, ends = windows.T
    margins = numpy.minimum(places.min(axis=1, keepdims=True) - starts, ends - 1 - places.max(axis=1, keepdims=True))
    return numpy.where(margins.max(axis=1) >= 0, margins.argmax(axis=1), -1)


def _align_markers(numbers: NDArray[numpy.int64], marked: NDArray[numpy.int64], markers: Tensor) -> Tensor:
    """The vectors of the markers of some candidates, of those that `marked` numbers; zeros for those without."""
    chosen = numpy.flatnonzero(numpy.isin(marked, numbers))
    rows = torch.from_numpy(numpy.searchsorted(numbers, marked[chosen])).to(markers.device)
    aligned = torch.zeros(len(numbers), *markers.shape[1:], device=markers.device)
    return aligned.index_add(0, rows, markers[torch.from_numpy(chosen).to(markers.device)])
