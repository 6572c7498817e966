"""How much the model gets at once in prediction, whatever the batch size of the pipeline."""

from typing import Dict, Iterator, List, Sequence

from .instance import Instance

# On a CPU some seven abstracts, so that what is in memory at a time is little beside the model and does not depend on
# the batch size; a GPU has to be filled.
MOST_TOKENS: Dict[str, int] = {"cpu": 2_000, "gpu": 25_000}


def split_by_tokens(instances: Sequence[Instance], device_type: str) -> Iterator[List[Instance]]:
    """Split documents into portions of as many as have `MOST_TOKENS` tokens together, or of one.

    instances (Sequence[Instance]): The documents.
    device_type (str): "cpu" or "gpu".
    YIELDS (List[Instance]): The portions, in the order of the documents.
    """
    some: List[Instance] = []
    size = 0
    for instance in instances:
        length = len(instance.doc)
        if some and size + length > MOST_TOKENS[device_type]:
            yield some
            some, size = [], 0
        some.append(instance)
        size += length
    if some:
        yield some
