"""How matplotlib takes text here."""

from typing import Any

PLAIN_TEXT: dict[Any, Any] = {"text.parse_math": False}
"""Names of clips, classes and folders may hold a $, which would begin a formula."""
