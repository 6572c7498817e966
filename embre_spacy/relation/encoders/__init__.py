"""The registered encoders: settings, and how to make what they describe. PyTorch is imported when it is needed.

Saved models name the class of their settings, which is looked up here.
"""

from .document import DocumentEncoderSettings, create_document_encoder
from .pairs import PairsEncoderSettings, create_pairs_encoder
from .settings import Base, EncoderSettings, OwnTransformer, TokenVectors
from .tokens import TokenEncoderSettings, create_token_encoder

__all__ = [
    "Base",
    "DocumentEncoderSettings",
    "EncoderSettings",
    "OwnTransformer",
    "PairsEncoderSettings",
    "TokenEncoderSettings",
    "TokenVectors",
    "create_document_encoder",
    "create_pairs_encoder",
    "create_token_encoder",
]
