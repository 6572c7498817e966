"""What the pairs encoder reads: for each candidate the text of its document, with tags around its mentions only."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Dict, List, Sequence, Tuple

import numpy
from numpy.typing import NDArray

from ..labels import entity_type
from ..tokens import Candidate, Concept, get_mentions
from ..transformer import TaggedText, TagIds, Wordpieces, encode, sort_borders, special_tokens
from .instance import Instance
from .proximity import find_proximity
from .stretches import Stretch, choose_stretches

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The id of a tag that there is none of: the tokenizer does not know the entity type.
NO_TAG = -1

# Start and end of a mention in characters, and its entity type.
Place = Tuple[int, int, str]


@dataclass
class PairsBatch:
    """The candidates of some documents, one after the other.

    inputs (List[NDArray[int64]]): The wordpiece ids of each candidate's pass, special tokens included.
    sources (List[NDArray[int64]]): Where the opening tags of its source stand in the pass of each candidate.
    targets (List[NDArray[int64]]): Where those of its target stand.
    documents (List[Tuple[int, int]]): The first and one-after-last candidate of each document.
    """

    inputs: List[NDArray[numpy.int64]] = field(default_factory=list)
    sources: List[NDArray[numpy.int64]] = field(default_factory=list)
    targets: List[NDArray[numpy.int64]] = field(default_factory=list)
    documents: List[Tuple[int, int]] = field(default_factory=list)


def make_pairs_batch(
    instances: Sequence[Instance], tokenizer: "PreTrainedTokenizerBase", *, tag_ids: TagIds, window: int
) -> PairsBatch:
    """Lay out documents with their candidates.

    instances (Sequence[Instance]): The documents. Those without candidates cost nothing.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    tag_ids (TagIds): The tags of the entity types. Mentions of other types have no tags.
    window (int): The most wordpieces and tags that one pass may have, beside the special tokens around them.
    RETURNS (PairsBatch): The batch. Its candidates are in the order of the instances.
    """
    instances = [instance for instance in instances if instance.candidates]
    places = [_find_places(instance) for instance in instances]
    texts = [
        TaggedText(instance.doc.text, [place[:2] for place in of_document])
        for instance, of_document in zip(instances, places)
    ]
    before, after = (numpy.asarray(ids, dtype="int64") for ids in special_tokens(tokenizer))
    between = numpy.asarray([] if tokenizer.sep_token_id is None else [tokenizer.sep_token_id], dtype="int64")
    batch = PairsBatch()
    for instance, of_document, pieces in zip(instances, places, encode(tokenizer, texts)):
        text = TaggableText(pieces, of_document, tag_ids, window=window, between=between)
        first = len(batch.inputs)
        for candidate in instance.candidates:
            ids, source, target = text.tag(candidate)
            whole = numpy.concatenate([before, ids, after])
            batch.inputs.append(whole)
            for found, places_in_pass in ((batch.sources, source), (batch.targets, target)):
                # A mention of nothing but characters that the tokenizer drops may stand behind the last wordpiece.
                found.append(numpy.minimum(places_in_pass + len(before), len(whole) - 1))
        batch.documents.append((first, len(batch.inputs)))
    return batch


class TaggableText:
    """The wordpieces of a document, which tags can be put into.

    pieces (Wordpieces): The wordpieces, without tags.
    places (Sequence[Tuple[int, int, str]]): Start and end of each mention in characters, and its entity type.
    tag_ids (TagIds): The tags of the entity types.
    window (int): The most wordpieces and tags in one pass.
    between (NDArray[int64]): What stands between two stretches of text.
    """

    def __init__(
        self,
        pieces: Wordpieces,
        places: Sequence[Place],
        tag_ids: TagIds,
        *,
        window: int,
        between: NDArray[numpy.int64],
    ) -> None:
        self._ids = pieces.ids
        self._spans = pieces.mentions
        self._numbers: Dict[Place, int] = {place: number for number, place in enumerate(places)}
        self._borders = numpy.asarray(sort_borders([place[:2] for place in places]), dtype="int64").reshape(-1, 2)
        self._tags = numpy.asarray([tag_ids.get(place[2], (NO_TAG, NO_TAG)) for place in places], dtype="int64")
        self._n_tags = (self._tags != NO_TAG).sum(axis=1)
        self._window = window
        self._between = between

    def tag(self, candidate: Candidate) -> Tuple[NDArray[numpy.int64], NDArray[numpy.int64], NDArray[numpy.int64]]:
        """The text with tags around the mentions of a candidate.

        candidate (Candidate): The two concepts, which may be the same.
        RETURNS (Tuple[NDArray[int64], NDArray[int64], NDArray[int64]]): The ids, where the opening tags of the source
            stand among them, and where those of the target stand. The place of a mention without tags is that of its
            first wordpiece.
        """
        source, target = (self._find(concept) for concept in candidate)
        taggable = sorted({*source, *target})
        pair = numpy.asarray([(0, 1)])
        first, second = find_proximity(self._spans, [source, target], pair, len(self._ids)).mentions[0].tolist()
        stretches = choose_stretches(
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
        for stretch in stretches:
            if parts:
                parts.append(self._between)
                length += len(self._between)
            ids, found = self._insert(stretch._replace(mentions=[taggable[i] for i in stretch.mentions]))
            openings.extend((mention, length + place) for mention, place in found)
            parts.append(ids)
            length += len(ids)
        of_source, of_target = (
            numpy.asarray([place for mention, place in openings if mention in concept], dtype="int64")
            for concept in (source, target)
        )
        return numpy.concatenate(parts), of_source, of_target

    def _find(self, concept: Concept) -> List[int]:
        """The numbers of the mentions of a concept."""
        return sorted({self._numbers[start, end, concept.type] for start, end in concept.mentions})

    def _insert(self, stretch: Stretch) -> Tuple[NDArray[numpy.int64], List[Tuple[int, int]]]:
        """A stretch with its tags, and for each of its mentions where in it the opening tag stands."""
        borders = self._borders[numpy.isin(self._borders[:, 0], stretch.mentions)]
        mentions, sides = borders[:, 0], borders[:, 1]
        places = numpy.minimum(self._spans[mentions, sides], stretch.end) - stretch.start
        tags = self._tags[mentions, sides]
        is_tag = tags != NO_TAG
        ids = numpy.insert(self._ids[stretch.start : stretch.end], places[is_tag], tags[is_tag])
        # A tag stands as much further on as there are tags before it.
        shifted = places + numpy.cumsum(is_tag) - is_tag
        is_opening = sides == 0
        return ids, list(zip(mentions[is_opening].tolist(), shifted[is_opening].tolist()))


def _find_places(instance: Instance) -> List[Place]:
    mentions = get_mentions(instance.doc)
    # The same mention may be in `doc.ents` and in the span group; one pair of tags is enough.
    return list(
        dict.fromkeys((mention.start_char, mention.end_char, entity_type(mention.label_)) for mention in mentions)
    )
