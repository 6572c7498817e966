"""Where the text of a document lies: offsets in its file to characters of `doc.text` and back."""

from dataclasses import dataclass
from typing import List, Optional, Tuple

from ..errors import InputError
from .record import Node, children


@dataclass(frozen=True)
class Segment:
    """A stretch of text without a gap: a passage, or a sentence of a passage that has its text in its sentences.

    passage (int): The number of its passage.
    offset (int): Where it starts in the file's count.
    start (int): Where it starts in `doc.text`.
    text (str): The text.
    owner (Dict[str, Any]): The passage or sentence.
    """

    passage: int
    offset: int
    start: int
    text: str
    owner: Node

    def holds(self, offset: int, end: int) -> bool:
        """Whether it holds a range of the file's count.

        offset (int), end (int): The range.
        RETURNS (bool): Whether all of it lies inside.
        """
        return self.offset <= offset and end <= self.offset + len(self.text)


class Layout:
    """The text of a document and where its parts come from.

    document (Dict[str, Any]): The document in the shape of BioC JSON.
    """

    def __init__(self, document: Node) -> None:
        self.segments: List[Segment] = []
        position = 0
        for number, passage in enumerate(children(document, "passages")):
            parts = [passage] if passage.get("text") else children(passage, "sentences")
            for part in parts:
                # Parts without text take no part: joining them would leave spaces that are in no passage.
                if part.get("text"):
                    self.segments.append(Segment(number, part["offset"], position, part["text"], part))
                    position += len(part["text"]) + 1
        # One space between passages whatever the gap in the file, which may be 0, 1 or thousands.
        self.text = " ".join(segment.text for segment in self.segments)

    def to_characters(self, passage: Optional[int], offset: int, length: int) -> Tuple[int, int, bool]:
        """Find a location of an annotation.

        passage (Optional[int]): The number of the passage that owns the annotation; None if the document does.
        offset (int), length (int): The location, in the file's count.
        RETURNS (Tuple[int, int, bool]): Start and end in `doc.text`, and whether the passage holds them.
        RAISES (InputError): If it lies outside the text.
        """
        end = offset + length
        own = [segment for segment in self.segments if segment.passage == passage]
        for segment in [*own, *self.segments]:
            if segment.holds(offset, end):
                start = segment.start + offset - segment.offset
                return start, start + length, passage is None or segment.passage == passage
        # From one part into another: PubTator's offsets run on from the title to the abstract.
        first, last = self._position(offset, 0), self._position(end, 1)
        if first is None or last is None or last < first:
            raise InputError(f"lies outside the text (offset {offset}, length {length})")
        return first, last, False

    def to_file(self, start: int, end: int) -> Tuple[Node, int, int]:
        """Say where a mention lies in the file's count.

        start (int), end (int): The mention in characters of `doc.text`.
        RETURNS (Tuple[Dict[str, Any], int, int]): The passage or sentence that holds its start, its offset, its length.
        """
        first = self._segment_at(start)
        last = self._segment_at(end - 1)
        offset = start - first.start + first.offset
        return first.owner, offset, end - last.start + last.offset - offset

    def _segment_at(self, character: int) -> Segment:
        return [segment for segment in self.segments if segment.start <= character][-1]

    def _position(self, offset: int, is_end: int) -> Optional[int]:
        """A character that a mention starts at, or one that it ends before, which belongs to the text before it."""
        for segment in self.segments:
            if segment.holds(offset - is_end, offset - is_end + 1):
                return segment.start + offset - segment.offset
        for segment in self.segments[:-1]:
            # The space that joins two parts.
            if offset - is_end == segment.offset + len(segment.text):
                return segment.start + offset - segment.offset
        return None
