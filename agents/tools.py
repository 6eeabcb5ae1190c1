"""Tools: what an agent may do, described for the model and for policy, carried out elsewhere."""

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from agents.arguments import json_schema, to_canonical_arguments, to_typed_arguments
from agents.errors import InvalidArguments
from agents.event_truncation import MAX_TEXT_BYTES
from agents.frozen import FrozenModel
from agents.policy import ApprovalTerms, EffectClass, ToolDefaults
from agents.tool_signature import inspect_signature


class ToolResult(FrozenModel):
    """What a tool found or did: data for the log, and one or two lines a person or a model can read."""

    summary: str
    data: Any = None


@dataclass(frozen=True)
class ToolContext:
    """What a tool is given besides its arguments.

    `key` is the same for every attempt of one call: hand it on wherever the other side can use it to do things once.
    `environment` holds the settings its agent declared.
    """

    key: str
    environment: Mapping[str, str] = field(repr=False)


Isolation = Literal["thread", "process"]
ToolFunction = Callable[..., ToolResult | Awaitable[ToolResult]]
PrepareFunction = Callable[..., dict[str, Any] | Awaitable[dict[str, Any]]]
CheckFunction = Callable[..., ToolResult | Awaitable[ToolResult | None] | None]


@dataclass(frozen=True)
class ConditionCheck:
    """In the annotation of a parameter: looks at a value that a rule of policy compares the argument with.

    `refuse` raises ToolError, saying what to write, when no prepared call can hold the value. For what a type can say,
    such as a Literal or a pattern, none is needed.
    """

    check: Callable[[Any], None]


@dataclass(frozen=True)
class Tool:
    """One tool. `run`, `prepare` and `check` are called with a ToolContext and the arguments by name.

    They may block or be `async def`, and are given the objects their parameters are annotated with.
    `prepare` resolves names to what they mean now (a tag to its commit) before people are asked, and raises ToolError
    when the proposal makes no sense. `check` tells whether a `verifiable` call happened: its result, or None.
    `timeout` is seconds for one attempt. With the isolation `process` each of them runs in a process of its own, which
    is killed when its time is over. `trusted_results` says that all it returns, prepares and complains of is the
    operator's own data; anything else is untrusted content.
    `mistakes` says what is wrong with the function: an agent with such a tool does not start.
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

        Raises InvalidArguments, saying which and why, also for more than MAX_TEXT_BYTES: arguments are never cut.
        """
        valid = self._convert(to_canonical_arguments, arguments)
        size = len(json.dumps(valid, ensure_ascii=False).encode(errors="replace"))
        if size > MAX_TEXT_BYTES:
            raise InvalidArguments(f"{self.name}: these arguments have {size} bytes; send at most {MAX_TEXT_BYTES}")
        return valid

    def to_typed_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as the objects the functions are called with. Raises InvalidArguments."""
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


def tool(  # noqa: PLR0913 - what there is to say about a tool, each by its name
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
    """Make a function a Tool: its name, docstring and annotated parameters (after the context) describe it.

    A tool with the isolation `process` must be found by its module and name: it cannot stand within a function.
    """
    if effect == "verifiable" and check is None:
        raise TypeError("a verifiable tool needs a check that tells whether it happened")

    def declare(run: ToolFunction) -> Tool:
        if isolation == "process" and ("<" in run.__qualname__ or run.__module__ == "__main__"):
            raise TypeError(f"{run.__qualname__}: a tool with a process of its own must stand in a module")
        arguments, mistakes = inspect_signature(run, context=ToolContext, result=ToolResult)
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
            problems=mistakes,
        )

    return declare


def _describe_validation_error(name: str, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "arguments"
    return f"{name}: {where}: {first['msg']}"
