"""The pairs encoder: one pass of the transformer for each candidate, with tags around its own mentions alone."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..errors import EmbreError
from ..labels import entity_type
from ..tokens import Candidate
from ..transformer.checkpoint import autocast, longest_window
from ..transformer.text import TaggedText, cut_wordpieces, insert_tags
from .encoder import TransformerEncoder, pad
from .features import DocCandidates, nearest_mentions

# Two excerpts with a separator between them, and in each a wordpiece of one mention between two tags.
MIN_WINDOW = 7

# Start and end of a mention in characters, and its entity type.
MentionKey = Tuple[int, int, str]
# The first and one-after-last wordpiece of a part of a document, and the mentions in it that get tags. All of these
# start in it; one that is cut off ends with it.
Excerpt = Tuple[int, int, List[int]]


def create_pairs_encoder(
    name: str,
    window: Optional[int] = None,
    hidden_dropout: Optional[float] = None,
    attention_dropout: Optional[float] = 0.0,
    precision: str = "auto",
    batch_candidates: int = 16,
) -> "PairsEncoder":
    """One pass of the transformer for each candidate (`embre_spacy.PairsEncoder.v1`; section 3.3 of the paper).

    name, hidden_dropout, attention_dropout, precision: As of `embre_spacy.DocumentEncoder.v1`.
    window (Optional[int]): The most wordpieces and tags in one pass; as many as the transformer takes if None.
    batch_candidates (int): The most candidates in one call of the transformer, on which the memory depends.
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
    inputs: List[NDArray[numpy.int64]]
    sources: List[NDArray[numpy.int64]]
    targets: List[NDArray[numpy.int64]]
    documents: List[Tuple[int, int]]  # the first and one-after-last candidate of each document


class PairsEncoder(TransformerEncoder):
    """Vectors of candidates from a pass over the text in which only their own mentions have tags (section 3.3 of the
    paper). The paper does not say how they are made: here they are the source beside the target, each the mean of the
    vectors at the opening tags of its mentions in the pass."""

    kind = "PairsEncoder"
    weight_settings = ()

    def make_layers(self) -> None:
        longest = longest_window(self.transformer, self.tokenizer)
        self.window = longest if self.settings["window"] is None else self.settings["window"]
        if not MIN_WINDOW <= self.window <= longest:
            cause = f"`window` must be at least {MIN_WINDOW} and at most {longest}, not {self.window}"
            raise EmbreError(f"encoder {self.settings['name']!r}: {cause}")
        self.width = 2 * self.transformer.config.hidden_size
        separator = self.tokenizer.sep_token_id
        self.between = numpy.asarray([] if separator is None else [separator], dtype="int64")

    def prepare(self, documents: Sequence[DocCandidates], *, is_train: bool = False) -> PairsArrays:
        # In the order of the document. The same mention may be in `doc.ents` and in the span group.
        keys = [[(one.start, one.end, entity_type(one.label)) for one in document.mentions] for document in documents]
        orders = [{key: number for number, key in enumerate(dict.fromkeys(of_doc))} for of_doc in keys]
        texts = [TaggedText(one.doc.text, [key[:2] for key in order]) for one, order in zip(documents, orders)]
        passes = [
            self._make_pass(candidate, order, *pieces)
            for document, order, pieces in zip(documents, orders, cut_wordpieces(self.tokenizer, texts))
            for candidate in document.candidates
        ]
        ends = accumulate((len(document.candidates) for document in documents), initial=0)
        return PairsArrays(*map(list, zip(*passes)), list(pairwise(ends)))

    def _make_pass(
        self,
        candidate: Candidate,
        order: Dict[MentionKey, int],
        ids: NDArray[numpy.int64],
        starts: NDArray[numpy.int64],
    ) -> Tuple[NDArray[numpy.int64], NDArray[numpy.int64], NDArray[numpy.int64]]:
        """The text with tags around the mentions of a candidate, whose concepts may be the same: the ids, and where the
        opening tags of source and target stand among them, or the first wordpiece of a mention without tags. `ids` and
        `starts` are what `cut_wordpieces` gives."""
        of_sides = [{(start, end, concept.type) for start, end in concept.mentions} for concept in candidate]
        mentions = sorted(set.union(*of_sides), key=order.__getitem__)
        sides = [[i for i, mention in enumerate(mentions) if mention in of_side] for of_side in of_sides]
        tags = [self.tag_ids.get(mention[2]) for mention in mentions]
        spans = numpy.searchsorted(starts, [mention[:2] for mention in mentions])
        nearest, *_ = nearest_mentions(spans, sides, numpy.asarray([(0, 1)]), len(ids))
        excerpts = choose_excerpts(
            spans,
            numpy.asarray([0 if tag is None else 2 for tag in tags]),
            nearest[0].tolist(),
            length=len(ids),
            size=self.window,
            n_between=len(self.between),
        )
        parts = [self.before]
        openings: Dict[int, int] = {}
        for start, end, chosen in excerpts:
            if openings:
                parts.append(self.between)
            text = TaggedText("", [mentions[i][:2] for i in chosen], [tags[i] for i in chosen])
            pieces = insert_tags(text, ids[start:end], starts[start:end])
            openings.update(zip(chosen, pieces.mentions[:, 0] + sum(map(len, parts))))
            parts.append(pieces.ids)
        of_pass = numpy.concatenate([*parts, self.after])
        # A mention without wordpieces can start after the last wordpiece.
        source, target = (
            numpy.minimum([openings[i] for i in side if i in openings], len(of_pass) - 1) for side in sides
        )
        return of_pass, source, target

    def forward(self, arrays: PairsArrays, *vectors: Tensor) -> Iterator[Tuple[NDArray[numpy.int64], Tensor]]:
        groups = self._group(arrays)
        read = self._read
        # What the backward pass needs of several calls is not kept, but computed again, one call at a time: so memory
        # does not depend on the number of candidates.
        if torch.is_grad_enabled() and len(groups) > 1:
            read = partial(checkpoint, self._read, use_reentrant=False)
        outputs: List[Tensor] = []
        # One autocast context for all calls, so that weights are cast once.
        with autocast(self.settings["precision"], self.device):
            for group in groups:
                arguments = [*self.pad([arrays.inputs[i] for i in group])]
                for openings in (arrays.sources, arrays.targets):
                    arguments.extend(pad([openings[i] for i in group], 0, self.device))
                outputs.append(read(*arguments))
        yield numpy.concatenate(groups), torch.cat(outputs)

    def _read(self, ids: Tensor, mask: Optional[Tensor], *openings: Optional[Tensor]) -> Tensor:
        """One call of the transformer; shape (candidates, width), float32. `openings` are those of sources and targets,
        each with a mask."""
        output = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        return torch.cat([_average(output, *openings[:2]), _average(output, *openings[2:])], dim=-1)

    def _group(self, arrays: PairsArrays) -> List[List[int]]:
        """Candidates of similar length together, as many as `batch_candidates` allows. In prediction those of different
        documents do not mix, so that a document gets the same scores in any batch."""
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


def choose_excerpts(
    spans: NDArray[numpy.int64],
    n_tags: NDArray[numpy.int64],
    nearest: Sequence[int],
    *,
    length: int,
    size: int,
    n_between: int,
) -> List[Excerpt]:
    """One or two excerpts in the order of the text, with tags for the nearest two mentions of a candidate and for all
    others that lie whole in an excerpt: the whole document if it fits; else as much as fits around the nearest two; and
    if they are too far apart for that, two excerpts of half the size, one around each, of which each may be the
    beginning of a mention that is longer. `spans` and `n_tags` are the wordpieces and the numbers of tags of the
    mentions of the candidate, `size` is the room for wordpieces and tags, `n_between` what two excerpts need between
    them."""
    pair = set(nearest)
    both = _widen(spans, n_tags, list(pair), length, size)
    if both is not None:
        return [both]
    room = size if len(pair) == 1 else (size - n_between) // 2
    excerpts = []
    for mention in pair:
        start, end = spans[mention].tolist()
        beginning = start, min(end, start + room - int(n_tags[mention])), [mention]
        excerpts.append(_widen(spans, n_tags, [mention], length, room) or beginning)
    return sorted(excerpts)


def _widen(
    spans: NDArray[numpy.int64], n_tags: NDArray[numpy.int64], chosen: List[int], length: int, size: int
) -> Optional[Excerpt]:
    """The widest excerpt that fits, with the chosen mentions in the middle unless the text begins or ends before that;
    None if they do not fit."""
    first, last = int(spans[chosen, 0].min()), int(spans[chosen, 1].max())
    middle = first + (last - first) // 2

    def cut(width: int) -> Tuple[int, int, NDArray[numpy.int64]]:
        start = min(max(middle - width // 2, 0), length - width)
        is_inside = (start <= spans[:, 0]) & (spans[:, 1] <= start + width)
        # What has no wordpieces cannot be read, and must not take the place of what can.
        is_inside &= spans[:, 0] < spans[:, 1]
        is_inside[chosen] = True
        return start, start + width, numpy.flatnonzero(is_inside)

    # Each width holds all of the smaller ones, so what they cost only grows.
    widths = range(last - first, min(length, size) + 1)
    n_fitting = bisect_right(widths, size, key=lambda width: width + n_tags[cut(width)[2]].sum())
    if not n_fitting:
        return None
    start, end, inside = cut(widths[n_fitting - 1])
    return start, end, inside.tolist()
