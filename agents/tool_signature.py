"""Inspection of a tool function's signature: the model of its arguments, and mistakes in the signature."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from agents.arguments import build_arguments_model

_UNSUPPORTED_KINDS = (
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
    inspect.Parameter.POSITIONAL_ONLY,
)


def inspect_signature(
    run: Callable[..., Any], *, context: type[Any], result: type[Any]
) -> tuple[type[BaseModel], tuple[str, ...]]:
    """Return the model of the valid parameters, and a message for each mistake.

    This raises nothing for mistakes: `agents/checks.py` reports the mistakes of all tools together.
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
