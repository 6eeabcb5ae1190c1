"""Checks of an agent's commands: steps must name known tools and arguments, and every slot must be filled and used."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails

from agents.core.agent import Agent
from agents.core.commands import SLOT, Command, fill_slots
from agents.core.config_issues import ConfigIssue, KeyPath
from agents.llm.output_schema import LEGACY_INTENTS, built_in_steps

_SAMPLE_WORD = "x"
_SAMPLE_NUMBER = 1
_Problems = Iterator[tuple[KeyPath, str]]


def check_commands(agent: Agent) -> list[ConfigIssue]:
    """Return all mistakes of the commands, with their lines."""
    return [
        agent.commands.to_issue(("commands", position, *key), message)
        for position, command in enumerate(agent.commands.commands)
        for key, message in _check_command(command, agent)
    ]


def _check_command(command: Command, agent: Agent) -> _Problems:
    yield from _check_step(command, agent)
    yield from _check_slots(command)
    yield from _check_answered(command, agent)


def _check_step(command: Command, agent: Agent) -> _Problems:
    intent = command.step.get("intent")
    arguments_class = _find_arguments_class(intent, agent)
    if arguments_class is None:
        known = ", ".join([*(tool.name for tool in agent.tools), *built_in_steps(agent.asks)])
        yield ("step", "intent"), f"{intent!r} is not a tool of agent {agent.name} or a step; known: {known}"
        return
    # A legacy intent has a `message` instead of a `question`. Issues report the name that the file has.
    renamed = {"message": "question"} if intent in LEGACY_INTENTS else {}
    fields = {renamed.get(name, name): value for name, value in command.step.items() if name != "intent"}
    written_names = {renamed.get(name, name): name for name in command.step}
    for name, message in _check_fields(intent, fields, arguments_class, command):
        yield ("step", written_names.get(name, name)) if name else ("step",), message
    delegate = fields.get("agent") if intent == "ask_agent" else None
    if isinstance(delegate, str) and not SLOT.search(delegate) and delegate not in agent.asks:
        allowed = ", ".join(agent.asks)
        yield ("step", "agent"), f"agent {agent.name} may not ask {delegate}; `asks` names: {allowed}"


def _find_arguments_class(intent: Any, agent: Agent) -> type[BaseModel] | None:
    if not isinstance(intent, str):
        return None
    if (tool := agent.get_tool(intent)) is not None:
        return tool.arguments
    return built_in_steps(agent.asks).get("request_human_input" if intent in LEGACY_INTENTS else intent)


def _check_fields(
    intent: Any, values: Mapping[str, Any], arguments_class: type[BaseModel], command: Command
) -> Iterator[tuple[str, str]]:
    """Yield the name of each wrong argument and a message; the name is empty if the argument is missing."""
    fields = {name: field for name, field in arguments_class.model_fields.items() if name != "intent"}
    for name in values.keys() - fields:
        known = ", ".join(fields) or "none"
        yield name, f"{intent} has no argument {name}; it has: {known}"
    for name, field in fields.items():
        if name not in values and field.is_required():
            yield "", f"{intent} needs the argument {name}; add {name} = …"
        if name in values and (problem := _value_problem(arguments_class, name, values[name], command)):
            yield name, f"{intent} does not accept this value: {problem}"


def _value_problem(arguments_class: type[BaseModel], name: str, template: Any, command: Command) -> str | None:
    """Return why the value can never be valid. A slot can be filled with any word, so only its type is checked."""
    has_slots = isinstance(template, str) and SLOT.search(template) is not None
    for pattern in command.say:
        details = _validation_error(arguments_class, name, fill_slots(template, _sample_values(pattern)))
        # pydantic's errors for a wrong type are `int_type`, `string_type`, …
        if details is not None and (not has_slots or details["type"].endswith("_type")):
            return details["msg"]
    return None


def _validation_error(arguments_class: type[BaseModel], name: str, value: Any) -> ErrorDetails | None:
    field = arguments_class.model_fields[name]
    fields: dict[str, Any] = {name: (field.annotation, field)}
    single_field = create_model("Argument", __config__=arguments_class.model_config, **fields)
    try:
        single_field.model_validate_json(json.dumps({name: value}, default=str))
    except ValidationError as error:
        return error.errors(include_url=False)[0]
    return None


def _sample_values(pattern: str) -> dict[str, Any]:
    return {slot: _SAMPLE_NUMBER if int_suffix else _SAMPLE_WORD for slot, int_suffix in SLOT.findall(pattern)}


def _check_slots(command: Command) -> _Problems:
    used = {slot: key for key, text in _iterate_templates(command) for slot, _ in SLOT.findall(text)}
    for position, pattern in enumerate(command.say):
        slots = {slot for slot, _ in SLOT.findall(pattern)}
        for slot in sorted(slots - used.keys() - _reply_slots(command)):
            yield ("say", position), f"nothing uses the slot {{{slot}}}; use it in `step`, or replace it with a word"
        for slot in sorted(used.keys() - slots):
            yield used[slot], f"{{{slot}}} is not a slot of the pattern {pattern!r}; add it there, or remove it"
    for name, value in command.step.items():
        if not isinstance(value, str) and SLOT.search(str(value)):
            yield (
                ("step", name),
                "slots are filled only in texts, not in lists and tables; write the value as a text",
            )


def _iterate_templates(command: Command) -> Iterator[tuple[KeyPath, str]]:
    for name, value in command.step.items():
        if isinstance(value, str):
            yield ("step", name), value
    if command.answered is not None:
        yield ("answered",), command.answered.replace("{answer}", "")


def _reply_slots(command: Command) -> set[str]:
    """Return the slots in the reply. Any name is allowed there: it may be a field of the tool's result."""
    return {slot for slot, _ in SLOT.findall(command.reply)}


def _check_answered(command: Command, agent: Agent) -> _Problems:
    """Check `answered`, the text with the answer to the command's question filled in; it must be a command."""
    if command.answered is None:
        return
    samples = _sample_values(command.say[0])
    texts = [str(fill_slots(command.answered, {**samples, "answer": answer})) for answer in _sample_answers(command)]
    if not any(agent.commands.match(text) for text in texts):
        yield (
            ("answered",),
            f"an answer would become {texts[0]!r}, which no command matches; change `answered` or add a command",
        )


def _sample_answers(command: Command) -> list[str]:
    choices = command.step.get("choices")
    known = [choice for choice in choices if isinstance(choice, str)] if isinstance(choices, list) else []
    return known or [_SAMPLE_WORD, str(_SAMPLE_NUMBER)]
