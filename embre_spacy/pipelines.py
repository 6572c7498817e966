"""Trained pipelines: loading them, and finding their relation component."""

from pathlib import Path
from typing import TYPE_CHECKING, Union

import spacy
from spacy.language import Language

from .errors import EmbreError

if TYPE_CHECKING:
    from .relation.component import EmbreRelation


def load_pipeline(model: Union[str, Path], gpu_id: int = -1) -> Language:
    """Load a pipeline.

    model (Union[str, Path]): Its folder, or the name of an installed package.
    gpu_id (int): The GPU to use, or -1 for the CPU.
    RETURNS (Language): The pipeline.
    RAISES (EmbreError): If there is none, it cannot be loaded, or there is no such GPU.
    """
    try:
        if gpu_id >= 0:
            spacy.require_gpu(gpu_id)
    except ValueError as error:
        raise EmbreError(f"GPU {gpu_id} cannot be used ({' '.join(str(error).split())}); -1 is the CPU") from error
    try:
        return spacy.load(model)
    except (OSError, ValueError) as error:
        raise EmbreError(f"{model}: no pipeline can be loaded from there ({str(error).splitlines()[0]})") from error


def find_component(nlp: Language) -> "EmbreRelation":
    """The relation component of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (EmbreRelation): The first such component.
    RAISES (EmbreError): If there is none.
    """
    # By its class, since factories of any name can make one. The component imports its teachers, and they this module.
    from .relation.component import EmbreRelation

    for _, pipe in nlp.pipeline:
        if isinstance(pipe, EmbreRelation):
            return pipe
    raise EmbreError("the pipeline has no component embre_relation")
