"""The signature of a tool's function: the model of its arguments, and what is wrong with it."""

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
    """Return the model of the arguments, without those that are wrong, and a sentence for each mistake.

    Nothing is raised: all mistakes of all tools are reported together, by `agents/checks.py`.
    """
    try:
        signature = inspect.signature(run, eval_str=True)
    except Exception as error:  # noqa: BLE001 - an annotation in quotes is evaluated, which can raise anything
        return build_arguments_model(run.__name__, ()), (f"its annotations cannot be read: {error}",)
    parameters = list(signature.parameters.values())
    wrong = {parameter.name: reason for parameter in parameters[1:] if (reason := _parameter_problem(parameter))}
    sound = [parameter for parameter in parameters[1:] if parameter.name not in wrong]
    mistakes = [
        *_context_problems(parameters, context),
        *wrong.values(),
        *_return_problems(signature.return_annotation, result),
    ]
    return build_arguments_model(run.__name__, sound), tuple(mistakes)


def _parameter_problem(parameter: inspect.Parameter) -> str | None:
    if parameter.kind in _UNSUPPORTED_KINDS:
        return f"parameter `{parameter}` cannot be given by name; write every argument as a parameter of its own"
    if parameter.annotation is inspect.Parameter.empty:
        return f"parameter `{parameter.name}` has no annotation; give it a type, like `{parameter.name}: str`"
    try:
        build_arguments_model("one", [parameter])
    except (PydanticUserError, NameError, TypeError) as error:
        return f"parameter `{parameter.name}` cannot be an argument: {str(error).splitlines()[0]}"
    return None


def _context_problems(parameters: Sequence[inspect.Parameter], context: type[Any]) -> Iterator[str]:
    if not parameters or parameters[0].annotation not in (context, inspect.Parameter.empty, Any, object):
        yield f"its first parameter must be the context; write `context: {context.__name__}` before the arguments"


def _return_problems(annotation: Any, result: type[Any]) -> Iterator[str]:
    is_result = isinstance(annotation, type) and issubclass(annotation, result)
    if annotation is not inspect.Signature.empty and not is_result:
        shown = inspect.formatannotation(annotation)
        yield f"it is annotated to return {shown}; a tool returns a {result.__name__}, so write `-> {result.__name__}`"
