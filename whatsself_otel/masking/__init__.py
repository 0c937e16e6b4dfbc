"""
Hide phones, message text and secrets before anything leaves the process.

`masker` decides what becomes of a value; the other modules recognise what is personal.
"""

from whatsself_otel.masking.masker import MAX_DEPTH, MAX_ITEMS, MAX_TEXT_CHARS, Masker, MaskingConfig, MaskRule, token
from whatsself_otel.masking.references import message_ref

__all__ = ["MAX_DEPTH", "MAX_ITEMS", "MAX_TEXT_CHARS", "MaskRule", "Masker", "MaskingConfig", "message_ref", "token"]
