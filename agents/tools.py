"""Tools: what an agent may do, described for the model and for policy, carried out elsewhere (factor 4)."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from agents.errors import InvalidArguments
from agents.frozen import Frozen
from agents.policy import Ask, EffectClass, Stance


class ToolResult(Frozen):
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


ToolFunction = Callable[..., ToolResult]
Prepare = Callable[..., dict[str, Any]]
Check = Callable[..., ToolResult | None]


@dataclass(frozen=True)
class Tool:
    """One tool. `run`, `prepare` and `check` are called with a ToolContext and the arguments by name; they may block.

    `prepare` resolves names to what they mean now (a tag to its commit) before anybody is asked, and raises ToolError
    when the proposal makes no sense. `check` tells whether a `verifiable` call happened: its result, or None.
    `timeout` is seconds for one attempt.
    """

    name: str
    description: str
    arguments: type[BaseModel]
    run: ToolFunction
    stance: Stance
    prepare: Prepare | None
    check: Check | None
    timeout: float
    version: int

    def validated(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as plain JSON values. Raises InvalidArguments, saying which and why."""
        try:
            written = json.dumps(dict(arguments), allow_nan=False)
            return self.arguments.model_validate_json(written).model_dump(mode="json")
        except ValidationError as error:
            raise InvalidArguments(_complaint(self.name, error)) from error
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArguments(f"{self.name}: these arguments cannot be written as JSON") from error


def tool(
    *,
    effect: EffectClass,
    risk: Literal["low", "medium", "high"] = "low",
    ask: Ask | None = None,
    prepare: Prepare | None = None,
    check: Check | None = None,
    timeout: float = 30.0,
    version: int = 1,
) -> Callable[[ToolFunction], Tool]:
    """Make a function a Tool: its name, docstring and annotated parameters (after the context) describe it."""
    if effect == "verifiable" and check is None:
        raise TypeError("a verifiable tool needs a check that tells whether it happened")

    def declare(run: ToolFunction) -> Tool:
        return Tool(
            name=run.__name__,
            description=inspect.getdoc(run) or "",
            arguments=_arguments_of(run),
            run=run,
            stance=Stance(effect=effect, risk=risk, ask=ask or Ask()),
            prepare=prepare,
            check=check,
            timeout=timeout,
            version=version,
        )

    return declare


def _arguments_of(run: ToolFunction) -> type[BaseModel]:
    parameters = list(inspect.signature(run, eval_str=True).parameters.values())[1:]
    fields: dict[str, Any] = {
        p.name: (p.annotation, ... if p.default is inspect.Parameter.empty else p.default) for p in parameters
    }
    config = ConfigDict(frozen=True, extra="forbid", strict=True)
    return create_model(f"{run.__name__}_arguments", __config__=config, **fields)


def _complaint(name: str, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "arguments"
    return f"{name}: {where}: {first['msg']}"
