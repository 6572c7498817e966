"""One stream of documents through a pipeline: in order, in bounded memory, and past documents that it fails on."""

from collections import deque
from contextlib import contextmanager
from itertools import chain
from typing import Any, Callable, Deque, Iterable, Iterator, List, Optional, Tuple, TypeVar

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import EmbreError
from ..tokens import get_tokenizer
from .processes import guard_workers

# One that fails is set aside. If so many fail in a row, it is not the documents that are wrong.
_MOST_FAILURES = 100


class Item:
    """What goes through the stream: a document, or something that only keeps its place.

    doc (Optional[Doc]): The document; the predicted one on the way out.
    error (Optional[Exception]): What the pipeline failed with on this document.
    """

    doc: Optional[Doc] = None
    error: Optional[Exception] = None


AnyItem = TypeVar("AnyItem", bound=Item)


def predict_each(
    nlp: Language,
    items: Iterable[AnyItem],
    *,
    batch_size: int,
    n_process: int = 1,
    may_forget: Callable[[AnyItem, int], bool],
    ends_batch: Callable[[AnyItem], bool],
) -> Iterator[AnyItem]:
    """Run a pipeline over the documents of a stream.

    What documents leave in the vocabulary is forgotten from time to time; worker processes live until then too.

    nlp (Language): The pipeline.
    items (Iterable[Item]): The stream.
    batch_size (int): How many documents the pipeline gets at once.
    n_process (int): How many processes predict.
    may_forget (Callable[[Item, int], bool]): Whether the vocabulary may forget after this item, the n-th since it did.
    ends_batch (Callable[[Item], bool]): Whether no batch may go on after this item.
    YIELDS (Item): The items in their order. A document must not be used when the next item has been asked for.
    RAISES (EmbreError): If the pipeline fails on very many documents in a row, or a worker process died.
    """
    # What is made where the vocabulary forgets is forgotten with it, and this must not be.
    get_tokenizer(nlp.vocab)
    predictor = _Predictor(nlp, batch_size, n_process)
    stream = iter(items)
    with _setting_aside(nlp) as predictor.handler, guard_workers(n_process):
        ended = False
        while not ended:
            stretch = _Stretch(stream, may_forget)
            with nlp.memory_zone():
                yield from predictor.run_each(iter(stretch), ends_batch)
            ended = stretch.is_rest


class _Stretch:
    """The items of a stream up to one that is the last of a stretch."""

    def __init__(self, items: Iterator[AnyItem], is_last: Callable[[AnyItem, int], bool]) -> None:
        self._items = items
        self._is_last = is_last
        self.is_rest = False

    def __iter__(self) -> Iterator[AnyItem]:
        for number, item in enumerate(self._items, 1):
            yield item
            if self._is_last(item, number):
                return
        self.is_rest = True


class _Predictor:
    def __init__(self, nlp: Language, batch_size: int, n_process: int) -> None:
        self.nlp = nlp
        self.batch_size = batch_size
        self.n_process = n_process
        self.handler = _Handler()
        self.failures = 0

    def run_each(self, items: Iterator[AnyItem], ends_batch: Callable[[AnyItem], bool]) -> Iterator[AnyItem]:
        ended = False
        while not ended:
            stretch = _Stretch(items, lambda item, number: ends_batch(item))
            yield from self.run(stretch)
            ended = stretch.is_rest

    def run(self, items: Iterable[AnyItem]) -> Iterator[AnyItem]:
        # What has been read and has not come out, numbered.
        pending: Deque[Tuple[int, AnyItem]] = deque()

        def documents() -> Iterator[Tuple[Doc, int]]:
            for number, item in enumerate(items):
                pending.append((number, item))
                if item.doc is not None:
                    yield item.doc, number

        for doc, number in self._pipe(documents()):
            while pending[0][0] != number:
                yield self._left_behind(pending.popleft()[1])
            item = pending.popleft()[1]
            item.doc = doc
            self.failures = 0
            yield item
        while pending:
            yield self._left_behind(pending.popleft()[1])

    def _pipe(self, documents: Iterator[Tuple[Doc, int]]) -> Iterator[Tuple[Doc, int]]:
        first = next(documents, None)
        if first is not None:
            stream = chain([first], documents)
            yield from self.nlp.pipe(stream, as_tuples=True, batch_size=self.batch_size, n_process=self.n_process)

    def _left_behind(self, item: AnyItem) -> AnyItem:
        """An item that did not come out of the pipeline: no document, or one of a batch in which one failed."""
        if item.doc is not None:
            try:
                with self.handler.raising():
                    item.doc = self.nlp(item.doc)
                self.failures = 0
            except Exception as error:
                item.error = error
                self.failures += 1
                if self.failures == _MOST_FAILURES:
                    raise EmbreError(
                        f"the pipeline failed on {_MOST_FAILURES} documents in a row, at last with "
                        f"{type(error).__name__}: {error}"
                    ) from error
        return item


class _Handler:
    """Passes over what a component fails on, or raises it. Worker processes have copies."""

    def __init__(self) -> None:
        self._raises = False

    def __call__(self, name: str, component: Any, docs: List[Doc], error: Exception) -> None:
        if self._raises:
            raise error

    @contextmanager
    def raising(self) -> Iterator[None]:
        self._raises = True
        try:
            yield
        finally:
            self._raises = False


@contextmanager
def _setting_aside(nlp: Language) -> Iterator[_Handler]:
    before = nlp.default_error_handler
    handler = _Handler()
    nlp.set_error_handler(handler)
    try:
        yield handler
    finally:
        nlp.set_error_handler(before)
