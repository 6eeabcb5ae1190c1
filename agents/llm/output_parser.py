"""Parser of a model's answer. The answer is untrusted, so error messages do not repeat its text."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agents.core.agent import Agent
from agents.core.canonical_json import compute_digest, parse_strict_json
from agents.core.errors import InvalidInput
from agents.core.event_truncation import MAX_TEXT_BYTES, truncate_text
from agents.core.steps import AskAgent, CallTool, RequestHumanInput, Step
from agents.core.tools import Tool
from agents.llm.output_schema import LEGACY_INTENTS, BuiltInStep, built_in_steps, strip_nulls

MAX_PROBLEM_LENGTH = 500
_MAX_NAME_LENGTH = 40
_REQUIRED_TEXT_FIELDS = ("question", "message")


def parse_step(text: str, agent: Agent) -> tuple[str, Step]:
    """Return the reasoning and the step of an answer.

    Raises InvalidInput with a message of at most MAX_PROBLEM_LENGTH characters, which can be sent to the model.
    """
    answer = _load_json(text)
    if not isinstance(answer, dict) or not isinstance(answer.get("step"), dict):
        raise InvalidInput('the answer must be one object: {"reasoning": "…", "step": {"intent": "…", …}}')
    value = answer.get("reasoning")
    reasoning = value if isinstance(value, str) else ""
    return reasoning, step_from_dict(answer["step"], agent)


def step_from_dict(output: Mapping[str, Any], agent: Agent) -> Step:
    """Return the step with this `intent` and these fields. Raises InvalidInput like `parse_step`."""
    intent, fields = _normalize_legacy_intents(output)
    if (tool := agent.get_tool(intent)) is not None:
        return CallTool(tool=tool.name, arguments=_parse_arguments(tool, fields))
    steps = built_in_steps(agent.asks)
    if (model := steps.get(intent)) is not None:
        return _check_permitted(_parse_built_in(model, fields), agent)
    allowed = ", ".join([*(tool.name for tool in agent.tools), *steps])
    raise InvalidInput(f"step.intent: unknown; choose one of: {allowed}"[:MAX_PROBLEM_LENGTH])


def _load_json(text: str) -> Any:
    try:
        return parse_strict_json(text)
    except InvalidInput as error:
        raise InvalidInput(f"the answer is not valid JSON: {error}") from error


def _normalize_legacy_intents(output: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the intent, empty when it is missing, and the other fields; legacy intents become current ones."""
    value = output.get("intent")
    intent = value if isinstance(value, str) else ""
    fields = {name: value for name, value in output.items() if name != "intent"}
    if intent not in LEGACY_INTENTS:
        return intent, fields
    renamed = {"question" if name == "message" else name: value for name, value in fields.items()}
    return "request_human_input", renamed


def _parse_arguments(tool: Tool, values: dict[str, Any]) -> dict[str, Any]:
    try:
        arguments = tool.validate_arguments(strip_nulls(values, tool.arguments))
        compute_digest(arguments=arguments)  # fail now, not at the approval, for a number without an exact digest
    except InvalidInput as error:
        raise InvalidInput(_collapse_lines(str(error))[:MAX_PROBLEM_LENGTH]) from error
    return arguments


def _parse_built_in(model: type[BuiltInStep], values: dict[str, Any]) -> BuiltInStep:
    given = {name: value for name, value in values.items() if value is not None}
    try:
        step = model.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(_describe_error(error)) from error
    for name in _REQUIRED_TEXT_FIELDS:
        if not getattr(step, name, "not a field").strip():  # a step without this field passes
            raise InvalidInput(f"step.{name}: must not be empty")
    _check_size(step)
    return step


def _check_size(step: BuiltInStep) -> None:
    """Raise InvalidInput for a text that would be truncated: a digest binds the full text."""
    match step:
        case RequestHumanInput():
            name, text = "question", "".join([step.question, *step.choices])
        case AskAgent():
            name, text = "message", step.message
        case _:
            return
    # The message states characters, of which each has at most 4 bytes.
    if truncate_text(text) != text:
        raise InvalidInput(f"step.{name}: too long ({len(text)} characters); use at most {MAX_TEXT_BYTES // 4}")


def _check_permitted(step: BuiltInStep, agent: Agent) -> BuiltInStep:
    if isinstance(step, AskAgent) and step.agent not in agent.asks:
        raise InvalidInput(f"step.agent: unknown; you may ask: {', '.join(agent.asks)}"[:MAX_PROBLEM_LENGTH])
    return step


def _describe_error(error: ValidationError) -> str:
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{_format_path(e['loc'])}: {e['type']}: {e['msg']}" for e in errors)[:MAX_PROBLEM_LENGTH]


def _format_path(loc: tuple[int | str, ...]) -> str:
    return ".".join(["step", *(re.sub(r"\W", "_", str(part))[:_MAX_NAME_LENGTH] for part in loc)])


def _collapse_lines(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
