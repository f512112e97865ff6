"""JSON Schema of a profile file, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any, Final

from costmodel.hardware.constants import UNLIMITED

MAY_BE_UNLIMITED: Final = ("capacity", "bandwidth")
HAVE_DEFAULTS: Final = ("name", "title")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a profile file.

    A file that inherits may leave anything out; what is required is asked of files without ``inherits``.
    """
    from costmodel.hardware.schema import ProfileSpec

    schema = ProfileSpec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    required = [name for name in schema.pop("required") if name not in HAVE_DEFAULTS]
    schema["anyOf"] = [{"required": ["inherits"]}, {"required": required}]
    schema["properties"]["memory"].pop("minProperties")
    for definition in ("LevelSpec", "ComputeSpec"):
        schema["$defs"][definition].pop("required")
    _allow_unlimited(schema["$defs"]["LevelSpec"]["properties"])
    return schema


def _allow_unlimited(properties: dict[str, Any]) -> None:
    """Write the word where the model, which reads it as None, says null."""
    for name in MAY_BE_UNLIMITED:
        choices = properties[name]["anyOf"]
        properties[name]["anyOf"] = [
            {"const": UNLIMITED} if choice == {"type": "null"} else choice for choice in choices
        ]
