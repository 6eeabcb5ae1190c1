"""Request bodies of OpenAI's two APIs: the prompt, and the schema of the answer."""

import json
from typing import Any

from agents.openai_dialect import Dialect
from agents.prompt import Prompt

_SCHEMA_NAME = "next_step"


def chat_request(prompt: Prompt, schema: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the arguments of a Chat Completions call without the model, as far as the dialect supports them."""
    formats: dict[str, Any] = {
        "json_schema": {"type": "json_schema", "json_schema": {"name": _SCHEMA_NAME, "strict": True, "schema": schema}},
        "json_object": {"type": "json_object"},
    }
    response_format = formats.get(dialect.response_format)
    arguments: dict[str, Any] = {"messages": _to_messages(prompt)}
    return arguments if response_format is None else {**arguments, "response_format": response_format}


def response_request(prompt: Prompt, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a Responses call without the model; OpenAI does not store the response."""
    return {
        "input": _to_messages(prompt),
        "store": False,
        "text": {"format": {"type": "json_schema", "name": _SCHEMA_NAME, "strict": True, "schema": schema}},
    }


def add_schema_to_prompt(prompt: Prompt, schema: dict[str, Any]) -> Prompt:
    """Return the prompt with the schema in its system message, for a server that may not enforce the schema."""
    compact = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    instruction = f"Answer with one JSON object, nothing around it, that fits this JSON schema:\n{compact}"
    return prompt.model_copy(update={"system": f"{prompt.system}\n\n{instruction}"})


def _to_messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
