"""From the text a model answered to a step. Nothing in it is trusted, and no complaint repeats what it said."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import ValidationError

from agents.agent import Agent
from agents.capping import MAX_TEXT_BYTES, cut_text
from agents.digest import digest_of
from agents.errors import Invalid
from agents.nulls import without_nulls
from agents.schema import OLDER_NAMES, BuiltIn, built_in
from agents.steps import AskAgent, CallTool, RequestHumanInput, Step
from agents.tools import Tool

LONGEST_COMPLAINT = 500
_LONGEST_NAME = 40
_SPOKEN = ("question", "message")


def parse_step(text: str, agent: Agent) -> tuple[str, Step]:
    """The reasoning and the step of one answer.

    Raises Invalid with a complaint of at most LONGEST_COMPLAINT characters that may go back to the model.
    """
    answer = _loaded(text)
    if not isinstance(answer, dict) or not isinstance(answer.get("step"), dict):
        raise Invalid('the answer must be one object: {"reasoning": "…", "step": {"intent": "…", …}}')
    said = answer.get("reasoning")
    reasoning = said if isinstance(said, str) else ""
    return reasoning, read_step(answer["step"], agent)


def read_step(wire: Mapping[str, Any], agent: Agent) -> Step:
    """The step written as `intent` and its own fields. Raises Invalid like `parse_step`."""
    intent, written = _in_todays_words(wire)
    if (tool := agent.tool(intent)) is not None:
        return CallTool(tool=tool.name, arguments=_arguments(tool, written))
    steps = built_in(agent.asks)
    if (model := steps.get(intent)) is not None:
        return _permitted(_built_in(model, written), agent)
    allowed = ", ".join([*(tool.name for tool in agent.tools), *steps])
    raise Invalid(f"step.intent: unknown; choose one of: {allowed}"[:LONGEST_COMPLAINT])


def _loaded(text: str) -> Any:
    try:
        loaded = json.loads(text, object_pairs_hook=_unique, parse_constant=_not_a_number, parse_float=_finite)
        json.dumps(loaded, ensure_ascii=False).encode()  # refuses half a surrogate pair, which no store can keep
    except json.JSONDecodeError as error:
        raise Invalid(f"the answer is not JSON: {error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:
        raise Invalid("the answer holds text, numbers or nesting that cannot be kept; keep it simple") from error
    return loaded


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        raise Invalid("the answer has an object with the same key twice; write every key once")
    return whole


def _not_a_number(_name: str) -> NoReturn:
    raise Invalid("the answer is not JSON: there is no NaN and no Infinity")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _not_a_number(digits)


def _in_todays_words(wire: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The intent, empty when there is none, and the fields beside it."""
    said = wire.get("intent")
    intent = said if isinstance(said, str) else ""
    fields = {name: value for name, value in wire.items() if name != "intent"}
    if intent not in OLDER_NAMES:
        return intent, fields
    renamed = {"question" if name == "message" else name: value for name, value in fields.items()}
    return "request_human_input", renamed


def _arguments(tool: Tool, written: dict[str, Any]) -> dict[str, Any]:
    try:
        arguments = tool.validated(without_nulls(written, tool.arguments))
        digest_of(arguments=arguments)  # a number that no digest can hold is better refused here than when it is asked
    except Invalid as error:
        raise Invalid(_on_one_line(str(error))[:LONGEST_COMPLAINT]) from error
    return arguments


def _built_in(model: type[BuiltIn], written: dict[str, Any]) -> BuiltIn:
    given = {name: value for name, value in written.items() if value is not None}
    try:
        step = model.model_validate(given)
    except ValidationError as error:
        raise Invalid(_complaint(error)) from error
    for name in _SPOKEN:
        if not getattr(step, name, "said").strip():
            raise Invalid(f"step.{name}: must not be empty")
    _refuse_excess(step)
    return step


def _refuse_excess(step: BuiltIn) -> None:
    """What a digest will bind cannot be cut later."""
    match step:
        case RequestHumanInput():
            name, text = "question", "".join([step.question, *step.choices])
        case AskAgent():
            name, text = "message", step.message
        case _:
            return
    if cut_text(text) != text:
        raise Invalid(f"step.{name}: too long, with {len(text)} characters; say it in {MAX_TEXT_BYTES // 4}")


def _permitted(step: BuiltIn, agent: Agent) -> BuiltIn:
    if isinstance(step, AskAgent) and step.agent not in agent.asks:
        raise Invalid(f"step.agent: unknown; you may ask: {', '.join(agent.asks)}"[:LONGEST_COMPLAINT])
    return step


def _complaint(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{_path(e['loc'])}: {e['type']}: {e['msg']}" for e in found)[:LONGEST_COMPLAINT]


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(["step", *(re.sub(r"\W", "_", str(part))[:_LONGEST_NAME] for part in loc)])


def _on_one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
