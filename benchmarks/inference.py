"""Prediction: the pipeline against the bare transformer, and against one pass for each candidate."""

from itertools import cycle
from statistics import median
from typing import Any, Dict, List, Sequence

from spacy.tokens import Doc
from spacy.util import minibatch

from embre_spacy.tokens import copy_mentions

from .parts import Inputs, Parts
from .timing import ratio, time_in_turn


def measure_inference(parts: Parts, references: Sequence[Doc], *, batch_size: int, repeats: int) -> Dict[str, Any]:
    """Time `nlp.pipe`, and the transformer alone on what it gets in `nlp.pipe`: the same wordpieces, in the same calls,
    in the same precision.

    parts (Parts): The pipeline.
    references (Sequence[Doc]): The documents.
    batch_size (int): How many documents `nlp.pipe` gets at once.
    repeats (int): How often each is timed.
    RETURNS (Dict[str, Any]): Documents per second, and `pipe_to_bare`, the median of their ratios.
    """
    batches = list(minibatch([copy_mentions(reference) for reference in references], batch_size))
    bare: List[Inputs] = [inputs for batch in batches for inputs in parts.make_inputs(batch)]
    text: List[Inputs] = [inputs for batch in batches for inputs in parts.make_inputs(batch, with_tags=False)]

    def run_pipe() -> None:
        docs = [copy_mentions(reference) for reference in references]
        for _ in parts.nlp.pipe(docs, batch_size=batch_size):
            pass

    def run_bare(inputs: Sequence[Inputs]) -> None:
        for arguments in minibatch(inputs, batch_size):
            parts.call(arguments)

    functions = {"pipe": run_pipe, "bare": lambda: run_bare(bare), "text": lambda: run_bare(text)}
    seconds = time_in_turn(functions, repeats, device=parts.encoder.device)
    rates = {name: len(references) / median(found) for name, found in seconds.items()}
    return {
        "documents": len(references),
        "wordpieces": sum(_count(inputs) for inputs in bare),
        "wordpieces_of_text": sum(_count(inputs) for inputs in text),
        "pipe_documents_per_second": rates["pipe"],
        "bare_documents_per_second": rates["bare"],
        "text_documents_per_second": rates["text"],
        "pipe_to_bare": ratio(seconds["bare"], seconds["pipe"]),
        "seconds": seconds,
    }


def measure_pairs(parts: Parts, references: Sequence[Doc], *, batch_size: int, repeats: int) -> Dict[str, Any]:
    """Time the document encoder and the pairs encoder, which has one pass for each candidate, on the same weights.

    parts (Parts): The pipeline.
    references (Sequence[Doc]): The documents, of which some have candidates.
    batch_size (int): How many documents the components get at once.
    repeats (int): How often each is timed.
    RETURNS (Dict[str, Any]): Documents per second of both, and `pipe_to_pairs`, the median of their ratios.
    """
    pairs = parts.make_pairs_component()

    def run(component: Any) -> None:
        docs = [copy_mentions(reference) for reference in references]
        for _ in component.pipe(docs, batch_size=batch_size):
            pass

    functions = {"pipe": lambda: run(parts.component), "pairs": lambda: run(pairs)}
    seconds = time_in_turn(functions, repeats, device=parts.encoder.device)
    return {
        "documents": len(references),
        "candidates": sum(len(parts.component.candidates(copy_mentions(reference))) for reference in references),
        "pipe_documents_per_second": len(references) / median(seconds["pipe"]),
        "pairs_documents_per_second": len(references) / median(seconds["pairs"]),
        "pipe_to_pairs": ratio(seconds["pairs"], seconds["pipe"]),
        "seconds": seconds,
    }


def measure_full_text(
    parts: Parts, references: Sequence[Doc], *, characters: int, batch_size: int, repeats: int
) -> Dict[str, Any]:
    """Time a text of the length of an article against the abstracts that it is made of.

    parts (Parts): The pipeline.
    references (Sequence[Doc]): The documents. As many of them become one as it takes; again from the first, if there
        are too few.
    characters (int): The least length of the text.
    batch_size (int): How many documents `nlp.pipe` gets at once.
    repeats (int): How often each is timed.
    RETURNS (Dict[str, Any]): What the text has, wordpieces of the text per second for both, and
        `full_text_to_abstracts`, the median of the ratios of these rates, which are those of the times. A wordpiece
        that several windows share counts once.
    """
    used: List[Doc] = []
    length = 0
    for reference in cycle([reference for reference in references if len(reference)]):
        used.append(reference)
        length += len(reference.text)
        if length >= characters:
            break

    def run(docs: Sequence[Doc]) -> None:
        for _ in parts.nlp.pipe([copy_mentions(doc) for doc in docs], batch_size=batch_size):
            pass

    # The documents would bring the same keys.
    whole = Doc.from_docs([copy_mentions(reference) for reference in used], exclude=["user_data"])
    functions = {"full_text": lambda: run([whole]), "abstracts": lambda: run(used)}
    seconds = time_in_turn(functions, repeats, device=parts.encoder.device)
    predicted = copy_mentions(whole)
    # One number for both, because both are the same text.
    wordpieces = parts.count_wordpieces([predicted])
    return {
        "characters": len(whole.text),
        "wordpieces": wordpieces,
        "mentions": len(whole.ents),
        "candidates": len(parts.component.candidates(predicted)),
        "windows": len(parts.make_inputs([predicted], with_tags=False)),
        "full_text_wordpieces_per_second": wordpieces / median(seconds["full_text"]),
        "abstracts_wordpieces_per_second": wordpieces / median(seconds["abstracts"]),
        "full_text_to_abstracts": ratio(seconds["abstracts"], seconds["full_text"]),
        "seconds": seconds,
    }


def _count(inputs: Inputs) -> int:
    return inputs["input_ids"].numel()
