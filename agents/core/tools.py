"""Tools: functions that an agent may call, described for the model and for the approval policy."""

import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError

from agents.core.arguments import build_arguments_model, json_schema, to_canonical_arguments, to_typed_arguments
from agents.core.errors import InvalidArguments
from agents.core.event_truncation import MAX_TEXT_BYTES
from agents.core.policy import ApprovalTerms, EffectClass, ToolDefaults
from agents.core.values import FrozenModel


class ToolResult(FrozenModel):
    """Result of a tool: JSON data for the log, and a summary of one or two lines for people and the model."""

    summary: str
    data: Any = None


@dataclass(frozen=True)
class ToolContext:
    """Context of a tool call besides its arguments.

    `key` is the same for every attempt of one call: pass it to APIs that accept an idempotency key.
    `environment` holds the settings that the agent's `set_up` returned.
    """

    key: str
    environment: Mapping[str, str] = field(repr=False)


Isolation = Literal["thread", "process"]
ToolFunction = Callable[..., ToolResult | Awaitable[ToolResult]]
PrepareFunction = Callable[..., dict[str, Any] | Awaitable[dict[str, Any]]]
CheckFunction = Callable[..., ToolResult | Awaitable[ToolResult | None] | None]


@dataclass(frozen=True)
class RuleValueCheck:
    """Annotation of a parameter that checks the values with which policy rules (their `when`) compare the argument.

    `check` raises ToolError, with advice, when a prepared call can never have the value. It is not needed for what a
    type can express, such as a Literal or a pattern.
    """

    check: Callable[[Any], None]


@dataclass(frozen=True)
class Tool:
    """A tool. `run`, `prepare` and `check` are called with a ToolContext and the arguments by name.

    They may block or be `async def`, and get their arguments as the annotated types.
    `prepare` resolves names to their current meaning (a tag to its commit) before the approval, and raises ToolError
    for an invalid proposal. After an interruption, `check` returns the result of a `verifiable` call that happened,
    else None. `timeout` is in seconds, for one attempt. With the isolation `process` each function runs in its own
    process, which is killed at the timeout. `trusted_results` declares that results, prepared arguments and errors are
    the operator's own data; otherwise they are untrusted content. `problems` lists the mistakes in the function's
    signature; an agent with such a tool does not start.
    """

    name: str
    description: str
    arguments: type[BaseModel]
    run: ToolFunction
    defaults: ToolDefaults
    prepare: PrepareFunction | None
    check: CheckFunction | None
    timeout: float
    version: int
    isolation: Isolation = "thread"
    trusted_results: bool = False
    problems: tuple[str, ...] = ()

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of the arguments."""
        return json_schema(self.arguments)

    def validate_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as canonical JSON. They may hold JSON values and typed objects.

        Raises InvalidArguments with the argument and the reason, or when they exceed MAX_TEXT_BYTES in total:
        arguments are never truncated.
        """
        valid = self._convert(to_canonical_arguments, arguments)
        size = len(json.dumps(valid, ensure_ascii=False).encode(errors="replace"))
        if size > MAX_TEXT_BYTES:
            raise InvalidArguments(f"{self.name}: these arguments have {size} bytes; send at most {MAX_TEXT_BYTES}")
        return valid

    def to_typed_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as the annotated types. Raises InvalidArguments."""
        return self._convert(to_typed_arguments, arguments)

    def _convert(
        self, convert: Callable[[type[BaseModel], Mapping[str, Any]], dict[str, Any]], arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            return convert(self.arguments, arguments)
        except InvalidArguments as error:
            raise InvalidArguments(f"{self.name}: {error}") from error
        except ValidationError as error:
            raise InvalidArguments(_describe_validation_error(self.name, error)) from error
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArguments(f"{self.name}: these arguments cannot be written as JSON") from error


def tool(  # noqa: PLR0913 - keyword arguments, one for each property of a tool
    *,
    effect: EffectClass,
    risk: Literal["low", "medium", "high"] = "low",
    ask: ApprovalTerms | None = None,
    prepare: PrepareFunction | None = None,
    check: CheckFunction | None = None,
    timeout: float = 30.0,
    version: int = 1,
    isolation: Isolation = "thread",
    trusted_results: bool = False,
) -> Callable[[ToolFunction], Tool]:
    """Return a decorator that makes a function a Tool, described by its name, docstring and annotated parameters.

    The first parameter is the context. A tool with the isolation `process` must be defined at module level, because
    the other process imports it by its name.
    """
    if effect == "verifiable" and check is None:
        raise TypeError("a verifiable tool needs a check that returns whether it happened")

    def declare(run: ToolFunction) -> Tool:
        if isolation == "process" and ("<" in run.__qualname__ or run.__module__ == "__main__"):
            raise TypeError(f"{run.__qualname__}: a tool with the isolation process must be defined at module level")
        arguments, problems = inspect_signature(run, context=ToolContext, result=ToolResult)
        return Tool(
            name=run.__name__,
            description=inspect.getdoc(run) or "",
            arguments=arguments,
            run=run,
            defaults=ToolDefaults(effect=effect, risk=risk, ask=ask or ApprovalTerms()),
            prepare=prepare,
            check=check,
            timeout=timeout,
            version=version,
            isolation=isolation,
            trusted_results=trusted_results,
            problems=problems,
        )

    return declare


def _describe_validation_error(name: str, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"]) or "arguments"
    return f"{name}: {path}: {first['msg']}"


_UNSUPPORTED_KINDS = (
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
    inspect.Parameter.POSITIONAL_ONLY,
)


def inspect_signature(
    run: Callable[..., Any], *, context: type[Any], result: type[Any]
) -> tuple[type[BaseModel], tuple[str, ...]]:
    """Return the model of the valid parameters, and a message for each mistake.

    This raises nothing for mistakes: `agents/loading/checks.py` reports the mistakes of all tools together.
    """
    try:
        signature = inspect.signature(run, eval_str=True)
    except Exception as error:  # noqa: BLE001 - evaluating an annotation in quotes can raise any exception
        return build_arguments_model(run.__name__, ()), (f"its annotations cannot be read: {error}",)
    parameters = list(signature.parameters.values())
    invalid = {parameter.name: reason for parameter in parameters[1:] if (reason := _parameter_problem(parameter))}
    valid = [parameter for parameter in parameters[1:] if parameter.name not in invalid]
    problems = [
        *_context_problems(parameters, context),
        *invalid.values(),
        *_return_problems(signature.return_annotation, result),
    ]
    return build_arguments_model(run.__name__, valid), tuple(problems)


def _parameter_problem(parameter: inspect.Parameter) -> str | None:
    if parameter.kind in _UNSUPPORTED_KINDS:
        return f"parameter `{parameter}` cannot be passed by name; declare every argument as a separate parameter"
    if parameter.annotation is inspect.Parameter.empty:
        return f"parameter `{parameter.name}` has no annotation; give it a type, like `{parameter.name}: str`"
    try:
        build_arguments_model("single", [parameter])
    except (PydanticUserError, NameError, TypeError) as error:
        return f"parameter `{parameter.name}` cannot be an argument: {str(error).splitlines()[0]}"
    return None


def _context_problems(parameters: Sequence[inspect.Parameter], context: type[Any]) -> Iterator[str]:
    if not parameters or parameters[0].annotation not in (context, inspect.Parameter.empty, Any, object):
        yield f"its first parameter must be the context; write `context: {context.__name__}` before the arguments"


def _return_problems(annotation: Any, result: type[Any]) -> Iterator[str]:
    is_result = isinstance(annotation, type) and issubclass(annotation, result)
    if annotation is not inspect.Signature.empty and not is_result:
        name = inspect.formatannotation(annotation)
        yield f"it is annotated to return {name}; a tool returns a {result.__name__}, so write `-> {result.__name__}`"
