"""Web API methods for agents: thread status, session status and suggested prompts."""

from collections.abc import Iterator
from typing import Any

from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.message import Json
from tests.fakes.slack.workspace import Workspace

SESSION_STATUSES = ("active", "processing", "suspended", "closed")
_MAX_PROMPTS = 4


def set_status(workspace: Workspace, args: Json) -> Json:
    """Set the status line under a thread; an empty status removes it."""
    workspace.statuses[_thread(workspace, args)] = args.get("status") or ""
    workspace.condition.notify_all()
    return {}


def set_session_status(workspace: Workspace, args: Json) -> Json:
    """Set the status of the agent's session in a thread; people see a stop button while it is `processing`."""
    status = args.get("status")
    if status not in SESSION_STATUSES:
        raise ApiError("invalid_arguments", f"must be one of {', '.join(SESSION_STATUSES)} [json-pointer:/status]")
    workspace.sessions[_thread(workspace, args)] = status
    workspace.condition.notify_all()
    return {"status": status, "agent_status": status}


def set_prompts(workspace: Workspace, args: Json) -> Json:
    """Set the suggested prompts of a direct message channel; with `thread_ts` the call has no effect.

    Source: docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts.
    """
    channel = workspace.get_accessible_channel(args.get("channel_id"))
    if channel.kind != "im":
        raise ApiError("channel_not_found")
    prompts = args.get("prompts")
    if violations := list(_prompt_violations(prompts)):
        raise ApiError("invalid_arguments", *violations)
    if "thread_ts" not in args:
        workspace.prompts[channel.id] = list(prompts or [])
        workspace.condition.notify_all()
    return {}


def _thread(workspace: Workspace, args: Json) -> tuple[str, str]:
    channel, thread_ts = workspace.get_accessible_channel(args.get("channel_id")), args.get("thread_ts")
    if workspace.find_message(channel.id, thread_ts) is None:
        raise ApiError("invalid_thread_ts")
    return channel.id, str(thread_ts)


def _prompt_violations(prompts: Any) -> Iterator[str]:
    if not isinstance(prompts, list) or not prompts:
        yield "no fewer than 1 items allowed [json-pointer:/prompts]"
    elif len(prompts) > _MAX_PROMPTS:
        yield f"no more than {_MAX_PROMPTS} items allowed [json-pointer:/prompts]"
    else:
        for index, prompt in enumerate(prompts):
            missing = [name for name in ("title", "message") if not prompt.get(name)]
            yield from (f"missing required field: {name} [json-pointer:/prompts/{index}]" for name in missing)
