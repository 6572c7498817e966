"""The pairs encoder: one pass of the transformer for each candidate, with tags around its own mentions alone."""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..errors import EmbreError
from ..labels import entity_type
from ..tokens import Candidate
from ..transformer import TaggedText, TagIds, Wordpieces, autocast, encode, longest_window, sort_borders
from .encoder import TransformerEncoder, pad
from .features import DocCandidates, nearest_mentions

# Two excerpts with a separator between them, and in each a wordpiece of one mention between two tags.
MIN_WINDOW = 7
# The id of a tag that there is none of: the tokenizer does not know the entity type.
NO_TAG = -1

# Start and end of a mention in characters, and its entity type.
MentionKey = Tuple[int, int, str]


def create_pairs_encoder(
    name: str,
    window: Optional[int] = None,
    hidden_dropout: Optional[float] = None,
    attention_dropout: Optional[float] = 0.0,
    precision: str = "auto",
    batch_candidates: int = 16,
) -> "PairsEncoder":
    """One pass of the transformer for each candidate (`embre_spacy.PairsEncoder.v1`; section 3.3 of the paper).

    name (str): The pretrained transformer: a Hugging Face folder, "package:NAME", or a name on a hub.
    window (Optional[int]): The most wordpieces and tags in one pass; as many as the transformer takes if None.
    hidden_dropout (Optional[float]): The dropout in the transformer after each layer; its own setting if None.
    attention_dropout (Optional[float]): The dropout of attention weights; its own setting if None. Drawing it costs
        half of the training speed on CPUs.
    precision (str): "float32", "bfloat16", or "auto" for bfloat16 where the device is faster with it.
    batch_candidates (int): The most candidates in one call of the transformer. The memory that is needed depends on it,
        and not on the number of candidates that a document has.
    RETURNS (PairsEncoder): The encoder, without layers yet.
    RAISES (EmbreError): If there is no room for a candidate.
    """
    settings = locals()
    if batch_candidates < 1:
        raise EmbreError(f"encoder {name!r}: `batch_candidates` must be at least 1, not {batch_candidates}")
    return PairsEncoder(settings)


@dataclass
class PairsArrays:
    """The candidates of some documents, one after the other, each with a pass of its own."""

    # The wordpiece ids of each pass, special tokens included; where in it opening tags of source and target stand.
    inputs: List[NDArray[numpy.int64]] = field(default_factory=list)
    sources: List[NDArray[numpy.int64]] = field(default_factory=list)
    targets: List[NDArray[numpy.int64]] = field(default_factory=list)
    # The first and one-after-last candidate of each document.
    documents: List[Tuple[int, int]] = field(default_factory=list)


class PairsEncoder(TransformerEncoder):
    """Vectors of candidates from a pass over the text in which only their own mentions have tags (section 3.3 of the
    paper).

    The paper does not say how the vector of a candidate is made of the vectors of the wordpieces. Here it is the source
    beside the target, and each of these the mean of the vectors at the opening tags of its mentions in the pass.
    """

    kind = "PairsEncoder"
    weight_settings = ()

    def choose_window(self) -> int:
        longest = longest_window(self.transformer, self.tokenizer)
        chosen = longest if self.settings["window"] is None else self.settings["window"]
        if not MIN_WINDOW <= chosen <= longest:
            raise EmbreError(
                f"encoder {self.settings['name']!r}: `window` must be at least {MIN_WINDOW} and at most {longest}, "
                f"not {chosen}"
            )
        return chosen

    def make_layers(self) -> None:
        self.width = 2 * self.transformer.config.hidden_size

    def prepare(self, documents: Sequence[DocCandidates], *, is_train: bool = False) -> PairsArrays:
        # The same mention may be in `doc.ents` and in the span group; one pair of tags is enough.
        mentions = [
            list(
                dict.fromkeys((mention.start, mention.end, entity_type(mention.label)) for mention in document.mentions)
            )
            for document in documents
        ]
        texts = [
            TaggedText(document.doc.text, [mention[:2] for mention in of_doc])
            for document, of_doc in zip(documents, mentions)
        ]
        separator = self.tokenizer.sep_token_id
        between = numpy.asarray([] if separator is None else [separator], dtype="int64")
        arrays = PairsArrays()
        for document, of_doc, pieces in zip(documents, mentions, encode(self.tokenizer, texts)):
            text = TaggableText(pieces, of_doc, self.tag_ids, window=self.window, between=between)
            first = len(arrays.inputs)
            for candidate in document.candidates:
                ids, source, target = text.tag(candidate)
                ids = numpy.concatenate([self.before, ids, self.after])
                arrays.inputs.append(ids)
                for openings, places in ((arrays.sources, source), (arrays.targets, target)):
                    # A mention without wordpieces can start after the last wordpiece.
                    openings.append(numpy.minimum(places + len(self.before), len(ids) - 1))
            arrays.documents.append((first, len(arrays.inputs)))
        return arrays

    def forward(self, arrays: PairsArrays, *vectors: Tensor) -> Iterator[Tuple[NDArray[numpy.int64], Tensor]]:
        groups = self._group(arrays)
        # To keep what the backward pass needs of one call is what one call costs anyway. Of several calls it is not
        # kept, but computed again, one call at a time: so memory does not depend on the number of candidates.
        is_recomputed = torch.is_grad_enabled() and len(groups) > 1
        padding = self.transformer.config.pad_token_id or 0
        outputs: List[Tensor] = []
        # One autocast context for all calls, so that weights are cast once.
        with autocast(self.settings["precision"], self.device):
            for group in groups:
                inputs = [arrays.inputs[i] for i in group]
                arguments = [*pad(inputs, padding, self.device, self.choose_width(inputs))]
                for openings in (arrays.sources, arrays.targets):
                    arguments.extend(pad([openings[i] for i in group], 0, self.device))
                if is_recomputed:
                    outputs.append(checkpoint(self._read, *arguments, use_reentrant=False))
                else:
                    outputs.append(self._read(*arguments))
        yield numpy.concatenate(groups), torch.cat(outputs)

    def _read(self, ids: Tensor, mask: Optional[Tensor], *openings: Optional[Tensor]) -> Tensor:
        """One call of the transformer; shape (candidates, width), float32. `openings` are those of sources and targets,
        each with a mask."""
        output = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        return torch.cat([_average(output, *openings[:2]), _average(output, *openings[2:])], dim=-1)

    def _group(self, arrays: PairsArrays) -> List[List[int]]:
        """Candidates of similar length together, as many as `batch_candidates` allows. In prediction those of different
        documents do not mix, so that a document gets the same scores whatever else is in its batch."""
        size = self.settings["batch_candidates"]
        groups = []
        for first, last in [(0, len(arrays.inputs))] if self.training else arrays.documents:
            order = sorted(range(first, last), key=lambda i: len(arrays.inputs[i]), reverse=True)
            groups.extend(order[i : i + size] for i in range(0, len(order), size))
        return groups


def _average(output: Tensor, places: Tensor, is_place: Optional[Tensor]) -> Tensor:
    """The mean of the vectors at some places of each row; shape (rows, hidden)."""
    rows = torch.arange(len(places), device=places.device).unsqueeze(-1)
    vectors = output[rows, places]
    if is_place is None:
        return vectors.mean(dim=1)
    return (vectors * is_place.unsqueeze(-1)).sum(dim=1) / is_place.sum(dim=1, keepdim=True)


class TaggableText:
    """The wordpieces of a document with its mentions, which tags can be put into. A pass has at most `window`
    wordpieces and tags, and `between` two excerpts."""

    def __init__(
        self,
        pieces: Wordpieces,
        mentions: Sequence[MentionKey],
        tag_ids: TagIds,
        *,
        window: int,
        between: NDArray[numpy.int64],
    ) -> None:
        self._ids = pieces.ids
        self._spans = pieces.mentions
        self._numbers: Dict[MentionKey, int] = {mention: number for number, mention in enumerate(mentions)}
        self._borders = numpy.asarray(sort_borders([mention[:2] for mention in mentions]), "int64").reshape(-1, 2)
        self._tags = numpy.asarray([tag_ids.get(mention[2], (NO_TAG, NO_TAG)) for mention in mentions], dtype="int64")
        self._n_tags = (self._tags != NO_TAG).sum(axis=1)
        self._window = window
        self._between = between

    def tag(self, candidate: Candidate) -> Tuple[NDArray[numpy.int64], NDArray[numpy.int64], NDArray[numpy.int64]]:
        """The text with tags around the mentions of a candidate, whose concepts may be the same: the ids, where the
        opening tags of the source stand among them, and where those of the target stand. The place of a mention without
        tags is that of its first wordpiece."""
        source, target = (
            sorted({self._numbers[start, end, concept.type] for start, end in concept.mentions})
            for concept in candidate
        )
        taggable = sorted({*source, *target})
        pair = numpy.asarray([(0, 1)])
        first, second = nearest_mentions(self._spans, [source, target], pair, len(self._ids)).mentions[0].tolist()
        excerpts = choose_excerpts(
            self._spans[taggable],
            self._n_tags[taggable],
            (taggable.index(first), taggable.index(second)),
            length=len(self._ids),
            size=self._window,
            n_between=len(self._between),
        )
        parts: List[NDArray[numpy.int64]] = []
        openings: List[Tuple[int, int]] = []
        length = 0
        for excerpt in excerpts:
            if parts:
                parts.append(self._between)
                length += len(self._between)
            ids, of_excerpt = self._insert(excerpt._replace(mentions=[taggable[i] for i in excerpt.mentions]))
            openings.extend((mention, length + place) for mention, place in of_excerpt)
            parts.append(ids)
            length += len(ids)
        of_source, of_target = (
            numpy.asarray([place for mention, place in openings if mention in concept], dtype="int64")
            for concept in (source, target)
        )
        return numpy.concatenate(parts), of_source, of_target

    def _insert(self, excerpt: "Excerpt") -> Tuple[NDArray[numpy.int64], List[Tuple[int, int]]]:
        """An excerpt with its tags, and for each of its mentions where in it the opening tag stands."""
        borders = self._borders[numpy.isin(self._borders[:, 0], excerpt.mentions)]
        mentions, sides = borders[:, 0], borders[:, 1]
        places = numpy.minimum(self._spans[mentions, sides], excerpt.end) - excerpt.start
        tags = self._tags[mentions, sides]
        is_tag = tags != NO_TAG
        ids = numpy.insert(self._ids[excerpt.start : excerpt.end], places[is_tag], tags[is_tag])
        # A tag stands as much further on as there are tags before it.
        shifted = places + numpy.cumsum(is_tag) - is_tag
        is_opening = sides == 0
        return ids, list(zip(mentions[is_opening].tolist(), shifted[is_opening].tolist()))


class Excerpt(NamedTuple):
    """A part of a document: its first and one-after-last wordpiece, and the mentions in it that get tags. All of these
    start in it; one that is cut off ends with it."""

    start: int
    end: int
    mentions: List[int]


def choose_excerpts(
    spans: NDArray[numpy.int64],
    n_tags: NDArray[numpy.int64],
    nearest: Tuple[int, int],
    *,
    length: int,
    size: int,
    n_between: int,
) -> List[Excerpt]:
    """One or two excerpts in the order of the text, with tags for the nearest two mentions of a candidate and for all
    others that lie whole in an excerpt: the whole document if it fits; else as much as fits around the nearest two; and
    if they are too far apart for that, two excerpts of half the size, one around each.

    Of a mention that is too long for an excerpt of its own, the excerpt holds the beginning and nothing else. Two
    excerpts may share text only if there is such a mention. `spans` and `n_tags` are the wordpieces and the numbers of
    tags of the mentions that may get some, `size` is the room for wordpieces and tags, `n_between` what two excerpts
    need between them.
    """
    pair = frozenset(nearest)
    both = _widen(spans, n_tags, pair, length, size)
    if both is not None:
        return [both]
    room = size if len(pair) == 1 else (size - n_between) // 2
    excerpts = []
    for mention in pair:
        excerpt = _widen(spans, n_tags, frozenset([mention]), length, room)
        if excerpt is None:
            start, end = spans[mention].tolist()
            excerpt = Excerpt(start, min(end, start + room - int(n_tags[mention])), [mention])
        excerpts.append(excerpt)
    return sorted(excerpts)


def _widen(
    spans: NDArray[numpy.int64], n_tags: NDArray[numpy.int64], chosen: FrozenSet[int], length: int, size: int
) -> Optional[Excerpt]:
    """The widest excerpt that fits, with the chosen mentions in the middle unless the text begins or ends before that;
    None if they do not fit."""
    is_chosen = numpy.zeros(len(spans), dtype="bool")
    is_chosen[list(chosen)] = True
    # What has no wordpieces cannot be read, and must not take the place of what can.
    may_join = spans[:, 0] < spans[:, 1]
    first, last = int(spans[is_chosen, 0].min()), int(spans[is_chosen, 1].max())
    middle = first + (last - first) // 2

    def place(width: int) -> Tuple[int, int]:
        start = min(max(middle - width // 2, 0), length - width)
        return start, start + width

    def inside(start: int, end: int) -> NDArray[numpy.bool_]:
        return is_chosen | (may_join & (start <= spans[:, 0]) & (spans[:, 1] <= end))

    def cost(width: int) -> int:
        return width + int(n_tags[inside(*place(width))].sum())

    # Each width holds all of the smaller ones, so what they cost only grows.
    widths = range(last - first, min(length, size) + 1)
    n_fitting = bisect_right(widths, size, key=cost)
    if not n_fitting:
        return None
    start, end = place(widths[n_fitting - 1])
    return Excerpt(start, end, numpy.flatnonzero(inside(start, end)).tolist())
