"""
Hide phones, message text and secrets before anything leaves the process.

`masker` decides what becomes of a value; the other modules recognise what is personal.
"""

from whatsself_otel.masking.masker import Masker, MaskingConfig, MaskRule
from whatsself_otel.masking.reading import MAX_TEXT_CHARS, token
from whatsself_otel.masking.references import message_ref
from whatsself_otel.masking.walk import MAX_DEPTH, MAX_ITEMS

__all__ = ["MAX_DEPTH", "MAX_ITEMS", "MAX_TEXT_CHARS", "MaskRule", "Masker", "MaskingConfig", "message_ref", "token"]
