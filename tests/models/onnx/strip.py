"""Copy an ONNX file without its weights: ``python -m tests.models.onnx.strip from.onnx to.onnx``.

Structure, names, shapes, types, attributes and small constants stay, also within branches and functions; the content of
every other tensor is left out, and so is what the importer does not read (documentation, other metadata).
"""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path
from typing import Any

from costmodel.importers.onnx.wire import MODEL, Message, model_message
from tests.unit.onnx_files import encoded

WHOLE_TYPES = {6, 7, 9}
"""int32, int64, bool: shapes, axes and conditions, kept up to MOST_WHOLE elements."""
MOST_WHOLE = 1024
MOST_OTHER = 8
CONTENT = {name for name, kind, _ in MODEL[7][1][5][1].values() if kind == "view"}


def stripped(message: Message) -> Message:
    """A message, and all within it, without the content of large tensors."""
    kept = {name: _part(value) for name, value in message.items()}
    most = MOST_WHOLE if message.get("data_type") in WHOLE_TYPES else MOST_OTHER
    if "data_type" in message and prod(message.get("dims", ())) > most:
        kept = {name: value for name, value in kept.items() if name not in CONTENT}
    return kept


def _part(value: Any) -> Any:
    """The same for one field."""
    if isinstance(value, dict):
        return stripped(value)
    if isinstance(value, list):
        return [_part(item) for item in value]
    return bytes(value) if isinstance(value, memoryview) else value


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(encoded(stripped(model_message(Path(sys.argv[1])))))
