"""Transformers that components share, named as those are that belong to one."""

from typing import Callable

from spacy.language import Language
from thinc.api import Model

from .checkpoint import resolve_checkpoint


def create_checkpoint_resolver() -> Callable[[Language], Language]:
    """What `initialize.before_init` of a config needs for spacy-transformers to find a checkpoint by any of our names
    (`embre_spacy.resolve_checkpoints.v1`). A pipeline that is loaded has its weights and looks for none.

    RETURNS (Callable[[Language], Language]): Resolves the names of all transformers of a pipeline that have no weights
        yet. It raises EmbreError as `resolve_checkpoint` does.
    """

    def resolve_checkpoints(nlp: Language) -> Language:
        for _, component in nlp.components:
            model = getattr(component, "model", None)
            for layer in model.walk() if isinstance(model, Model) else ():
                # It is what a TransformerModel says of itself before it has weights.
                if layer.attrs.get("has_transformer") is False:
                    layer.attrs["name"] = resolve_checkpoint(layer.attrs["name"])
        return nlp

    return resolve_checkpoints
