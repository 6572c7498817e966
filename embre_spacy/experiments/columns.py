"""What tables of results show of one result: the usual columns, and those that a grid may ask for."""

from typing import Any, Callable, Dict, Optional, Tuple

# The levels, and how the heads of wide tables call them.
LEVELS: Dict[str, str] = {"pair": "pair", "type": "+ type", "novelty": "+ novelty", "all": "all"}

Result = Dict[str, Any]
Value = Callable[[Result], Optional[float]]


def level_f(level: str) -> Value:
    """What gives F1 at a level."""
    return lambda result: result["dev"]["counts"][level]["f"]


def type_accuracy_of_found(result: Result) -> Optional[float]:
    """The share of the found pairs that have the right relation type, or None if none is found."""
    counts = result["dev"]["counts"]
    return counts["type"]["tp"] / counts["pair"]["tp"] if counts["pair"]["tp"] else None


def type_macro_f(result: Result) -> Optional[float]:
    """The mean F1 of the relation types that gold has, or None if it has none."""
    found = [one["f"] for one in result["dev"]["counts"]["type"]["per_relation_type"].values() if one["gold"]]
    return sum(found) / len(found) if found else None


def _inside(*keys: str) -> Value:
    """What gives a value inside a result, or None where there is none."""

    def value(result: Result) -> Optional[float]:
        found: Any = result
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    return value


# Title, value, and how it is written.
USUAL_COLUMNS: Tuple[Tuple[str, Value, str], ...] = (
    *((title, level_f(level), ".3f") for level, title in LEVELS.items()),
    ("type of found pairs", type_accuracy_of_found, ".3f"),
    ("macro F1 of types", type_macro_f, ".3f"),
    ("type of gold pairs", _inside("dev", "gold_pairs", "type_accuracy"), ".3f"),
    ("novelty of gold pairs", _inside("dev", "gold_pairs", "novelty_accuracy"), ".3f"),
)

EXTRA_COLUMNS: Dict[str, Tuple[str, Value, str]] = {
    "training_seconds": ("training, s", _inside("seconds", "training"), ".0f"),
    "pretraining_seconds": ("pretraining, s", _inside("seconds", "pretraining"), ".0f"),
    "documents_per_second": ("documents/s", _inside("documents_per_second"), ".1f"),
    "pair_precision": ("pair precision", _inside("dev", "counts", "pair", "p"), ".3f"),
    "pair_recall": ("pair recall", _inside("dev", "counts", "pair", "r"), ".3f"),
    "best_threshold": ("best threshold", _inside("dev", "best_threshold", "threshold"), ".2f"),
    "best_threshold_pair": ("pair at it", _inside("dev", "best_threshold", "pair"), ".3f"),
    "best_threshold_all": ("all at it", _inside("dev", "best_threshold", "all"), ".3f"),
    "masked_type_accuracy": ("masked type", _inside("pretraining", "last_epoch", "type_accuracy"), ".3f"),
    "masked_identifier_accuracy": (
        "masked identifier",
        _inside("pretraining", "last_epoch", "identifier_accuracy"),
        ".3f",
    ),
    "masked_word_accuracy": ("masked word", _inside("pretraining", "last_epoch", "word_accuracy"), ".3f"),
}
