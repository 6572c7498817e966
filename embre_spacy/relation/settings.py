"""What the component keeps in its `cfg`: its labels, and the settings that decide in prediction."""

import weakref
from math import inf, isclose
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from spacy.language import Language

from ..errors import EmbreError

LABELS = ("labels", "novelty_labels", "entity_types")
# What decides in prediction, and can be changed in `cfg` at any time.
DECISION: Dict[str, float] = {"threshold": 0.3, "type_certainty": 0.0, "temperature": 1.0, "novelty_temperature": 1.0}
_BOUNDS: List[Tuple[Tuple[str, ...], Callable[[float], bool], str]] = [
    (("threshold", "type_certainty", "teacher_weight"), lambda value: 0.0 <= value <= 1.0, "between 0 and 1"),
    (("temperature", "novelty_temperature"), lambda value: 0.0 < value < inf, "above 0"),
]


class Settings(dict):
    """The `cfg` of a component, and under "config" what the config of its pipeline says. Of a saved `cfg` all is taken
    but what the config has changed since; what of the decision is changed here is changed in the config as well, which
    is saved beside it."""

    def __init__(self, settings: Mapping[str, Any], nlp: Optional[Language] = None) -> None:
        super().__init__(settings)
        self._nlp = None if nlp is None else weakref.ref(nlp)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def update(self, *settings: Any, **others: Any) -> None:
        new = dict(*settings, **others)
        config = self["config"]
        # Numbers lose their last digits in a config.
        changed = [key for key, value in new.pop("config", config).items() if not isclose(value, config[key])]
        super().update({**new, **{key: config[key] for key in changed}})
        nlp = self._nlp and self._nlp()
        # By the object, since a pipeline may have given its component another name.
        for name, pipe in nlp.components if nlp else ():
            if getattr(pipe, "cfg", None) is self:
                config.update({key: self[key] for key in config})
                nlp.get_pipe_config(name).update(config)

    def __reduce__(self) -> Tuple[Any, ...]:
        # A component that is sent to another process has no pipeline there.
        return Settings, (dict(self),)


def check_settings(settings: Mapping[str, Any], name: str) -> None:
    """Raise EmbreError for values that settings and labels of a component cannot have."""
    for keys, is_possible, bounds in _BOUNDS:
        for key in keys:
            if not is_possible(settings[key]):
                raise EmbreError(f"`{key}` of {name} must be {bounds}, not {settings[key]}")
    for key in LABELS:
        if not (isinstance(settings[key], list) and all(isinstance(label, str) for label in settings[key])):
            raise EmbreError(f"`{key}` of {name} must be a list of names")
