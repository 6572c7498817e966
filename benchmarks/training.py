"""Training: a step of `spacy train` against a bare forward and backward pass of the transformer."""

from statistics import median
from typing import Any, Dict, Sequence

import torch
from spacy import util
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc
from spacy.training import Example

from embre_spacy.tokens import copy_mentions

from .parts import Parts
from .timing import ratio, time_in_turn


def measure_training(parts: Parts, references: Sequence[Doc], *, steps: int, repeats: int) -> Dict[str, Any]:
    """Time steps as the pipeline's own config has them, with its batches, optimizer and dropout. The pipeline is
    another one after that.

    parts (Parts): The pipeline.
    references (Sequence[Doc]): The documents.
    steps (int): The most steps in a run.
    repeats (int): How often runs are timed.
    RETURNS (Dict[str, Any]): Documents per second, and `step_to_bare`, the median of the ratios of times.
    """
    settings = util.registry.resolve(parts.nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    optimizer = parts.nlp.resume_training(sgd=settings["optimizer"])
    examples = [Example(copy_mentions(reference), reference) for reference in references]
    batches = []
    for batch in settings["batcher"](examples):
        batches.append(list(batch))
        if len(batches) == steps:
            break
    transformer: Any = parts.encoder.transformer
    inputs = [parts.make_inputs([example.predicted for example in batch], is_train=True) for batch in batches]

    def run_steps() -> None:
        for batch in batches:
            parts.nlp.update(batch, sgd=optimizer, drop=settings["dropout"])

    def run_bare() -> None:
        for calls in inputs:
            torch.autograd.backward([found.float().sum() for found in parts.call(calls, is_train=True)])
            transformer.zero_grad()

    seconds = time_in_turn({"steps": run_steps, "bare": run_bare}, repeats, device=parts.encoder.device)
    n_documents = sum(map(len, batches))
    return {
        "documents": n_documents,
        "steps": len(batches),
        "step_documents_per_second": n_documents / median(seconds["steps"]),
        "bare_documents_per_second": n_documents / median(seconds["bare"]),
        "step_to_bare": ratio(seconds["steps"], seconds["bare"]),
        "seconds": seconds,
    }
