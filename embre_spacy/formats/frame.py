"""What stands around and between the documents of a text file.

Every text format is written the same way: a frame, which the first document gives, and each document as the text that
it has in the file. So documents can be made into text one by one, at any time and place, and joined later.
"""

from typing import BinaryIO, Iterator, NamedTuple, Optional


class Frame(NamedTuple):
    """What stands around and between documents.

    start (str): What stands before the first.
    between (str): What stands between two.
    end (str): What stands after the last.
    alone (Optional[str]): What stands after a document that is the only one, and has nothing before it then; None if
        one document is framed like many.
    """

    start: str
    between: str
    end: str
    alone: Optional[str] = None


def join_fragments(frame: Frame, fragments: Iterator[str], file: BinaryIO) -> None:
    """Write a file.

    frame (Frame): What stands around the documents.
    fragments (Iterator[str]): The documents; there is at least one.
    file (BinaryIO): The file.
    """
    first = next(fragments)
    second = next(fragments, None)
    if second is None and frame.alone is not None:
        file.write((first + frame.alone).encode("utf-8"))
        return
    file.write((frame.start + first).encode("utf-8"))
    while second is not None:
        file.write((frame.between + second).encode("utf-8"))
        second = next(fragments, None)
    file.write(frame.end.encode("utf-8"))
