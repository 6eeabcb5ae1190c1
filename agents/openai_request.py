"""What OpenAI's two APIs are asked: a prompt, and the schema of the answer."""

import json
from typing import Any

from agents.openai_dialect import Dialect
from agents.prompt import Prompt

_SCHEMA_NAME = "next_step"


def chat_request(prompt: Prompt, schema: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """The arguments of Chat Completions but for the model, as far as the server understands them."""
    formats: dict[str, Any] = {
        "json_schema": {"type": "json_schema", "json_schema": {"name": _SCHEMA_NAME, "strict": True, "schema": schema}},
        "json_object": {"type": "json_object"},
    }
    chosen = formats.get(dialect.response_format)
    asked: dict[str, Any] = {"messages": _to_messages(prompt)}
    return asked if chosen is None else {**asked, "response_format": chosen}


def response_request(prompt: Prompt, schema: dict[str, Any]) -> dict[str, Any]:
    """The arguments of Responses but for the model; nothing is stored."""
    return {
        "input": _to_messages(prompt),
        "store": False,
        "text": {"format": {"type": "json_schema", "name": _SCHEMA_NAME, "strict": True, "schema": schema}},
    }


def add_schema_to_prompt(prompt: Prompt, schema: dict[str, Any]) -> Prompt:
    """The prompt for a server that may not enforce the schema."""
    compact = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    told = f"Answer with one JSON object, nothing around it, that fits this JSON schema:\n{compact}"
    return prompt.model_copy(update={"system": f"{prompt.system}\n\n{told}"})


def _to_messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
