"""JSON schemas of a tool, made from its types and its docstring."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, create_model

from astermind_lab.tools import Tool

__all__ = ["input_schema", "output_schema"]


def input_schema(tool: Tool) -> dict[str, Any]:
    """What the tool takes; every argument is described, unknown ones are not allowed.

    Names that earlier clients use are allowed beside today's.
    """
    fields: dict[str, Any] = {
        argument.name: (
            Annotated[argument.type, Field(description=argument.doc)],
            ... if argument.required else argument.default,
        )
        for argument in tool.arguments
    }
    model = create_model(tool.name, __config__=ConfigDict(extra="forbid"), **fields)
    schema = tidy(model.model_json_schema())
    for old, today in tool.old_names.items():
        properties = schema["properties"]
        properties[old] = {**properties[today], "description": f"older name of {today}"}
        if today in schema.get("required", ()):
            schema["required"].remove(today)
            properties[today]["description"] += " (needed)"
    return schema


def output_schema(tool: Tool) -> dict[str, Any]:
    """What the tool answers."""
    return tidy(TypeAdapter(tool.returns).json_schema())


def tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Without titles, which repeat each name, and without the small print of descriptions.

    Clients that are language models pay for every word they read.
    """
    return {
        key: _first_paragraph(value) if key == "description" else _tidy_value(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _first_paragraph(value: Any) -> Any:
    # A property may itself be called description.
    return value.partition("\n\n")[0] if isinstance(value, str) else _tidy_value(value)


def _tidy_value(value: Any) -> Any:
    if isinstance(value, dict):
        return tidy(value)
    return [_tidy_value(item) for item in value] if isinstance(value, list) else value
