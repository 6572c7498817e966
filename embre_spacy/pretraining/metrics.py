"""What is reported of held-out documents, and what predicting the majority class would give."""

from collections import Counter
from typing import Any, Dict, List, Optional, Sequence

from numpy.typing import NDArray

from .config import ObjectiveConfig
from .examples import NO_CLASS, Classes, MaskableDocument
from .masking import MaskedDocument
from .model import COUNTED_OBJECTIVES


def summarize_counts(counts: NDArray, objective: ObjectiveConfig) -> Dict[str, float]:
    """The figures of an evaluation.

    counts (NDArray[float32]): What the model counted of each document; shape (documents, objectives, 3).
    objective (ObjectiveConfig): The weights of the losses.
    RETURNS (Dict[str, float]): The weighted `loss`, and the loss and accuracy of each objective that had items.
    """
    metrics = {"loss": 0.0}
    for name, (items, correct, loss) in zip(COUNTED_OBJECTIVES, counts.sum(axis=0, dtype="float64")):
        if items:
            metrics[f"{name}_loss"] = float(loss / items)
            metrics[f"{name}_accuracy"] = float(correct / items)
            metrics["loss"] += getattr(objective, f"{name}_weight") * metrics[f"{name}_loss"]
    return metrics


def describe_held_out(
    held_out: Sequence[MaskedDocument], train: Sequence[MaskableDocument], classes: Classes, objectives: Sequence[str]
) -> Dict[str, Any]:
    """What is asked of the held-out documents, and how often the majority class of training would be right.

    held_out (Sequence[MaskedDocument]): The masked held-out documents.
    train (Sequence[MaskableDocument]): The training documents.
    classes (Classes): The classes of the training documents.
    objectives (Sequence[str]): Which of "identifier", "type" and "word" are predicted.
    RETURNS (Dict[str, Any]): For each objective the number of items with a class, the majority class of the training
        documents and its accuracy on them; for identifiers also how many items have no class.
    """
    found: Dict[str, Any] = {}
    concepts = [concept for document in held_out for concept in document.concepts]
    for name in ("identifier", "type"):
        if name not in objectives:
            continue
        wanted = [getattr(concept, name) for concept in concepts if name == "type" or concept.has_identifier]
        labels = list(classes.identifiers if name == "identifier" else classes.types)
        found[name] = {
            **_majority([number for number in wanted if number != NO_CLASS], labels, classes.majority(name)),
            "unseen": sum(number == NO_CLASS for number in wanted),
            "unseen_share": _share(sum(number == NO_CLASS for number in wanted), len(wanted)),
        }
    if "word" in objectives:
        usual: Counter = Counter()
        for document in train:
            usual.update(document.wordpieces.ids[~document.wordpieces.is_tag].tolist())
        wanted = [int(id) for document in held_out for id in document.word_ids]
        most = usual.most_common(1)[0][0]
        found["word"] = {
            "items": len(wanted),
            "majority": most,
            "majority_accuracy": _share(wanted.count(most), len(wanted)),
        }
    return found


def _majority(wanted: List[int], labels: List[str], majority: Optional[str]) -> Dict[str, Any]:
    right = sum(labels[number] == majority for number in wanted)
    return {"items": len(wanted), "majority": majority, "majority_accuracy": _share(right, len(wanted))}


def _share(part: int, whole: int) -> Optional[float]:
    return part / whole if whole else None
