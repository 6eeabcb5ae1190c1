"""Threads: open one, look at them, say something in one."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from bot.engine import Recorded
from bot.intake import Opening
from bot.web.bodies import NewMessage, NewThread
from bot.web.cursor import cursor_at, position
from bot.web.destinations import destination
from bot.web.documented import WITH_BODY, failures
from bot.web.idempotency import OnlyOnce, Tell, Told
from bot.web.json_body import JsonRoute
from bot.web.parts import Here, Parts
from bot.web.principal import Caller
from bot.web.queries import ThreadQuery
from bot.web.rights import VISIBLE_THREAD, needs
from bot.web.shapes import ReplayView, ThreadPage, ThreadView, thread_view
from bot.web.speaker import SpokenBy
from storage.replaying import replay
from storage.threads import listed

router = APIRouter(prefix="/threads", tags=["threads"], route_class=JsonRoute)


@router.post(
    "", status_code=201, response_model=ThreadView, responses=failures(403, *WITH_BODY), dependencies=[needs("start")]
)
async def open_thread(body: NewThread, here: Here, voice: SpokenBy, once: OnlyOnce) -> Response:
    """Open a thread with a message. Its replies leave at `reply_to`, and stand in its log in any case."""
    bot, speaker = here.bot, voice.speaker(body.requester)
    origin = voice.principal.channel
    if body.reply_to is not None:
        origin = destination(body.reply_to, bot.roster.people, here.schemes)
    opening = Opening(
        heard=speaker.heard(body.message, bot.chance.now()),
        requester=speaker.by,
        origin=origin,
        agent=body.agent,
        labels=body.labels or {},
    )
    return await once.answer(
        lambda claim, reply: bot.intake.open(opening, claim=claim, reply=reply), tell_thread(201, here)
    )


@router.get("", responses=failures(403), dependencies=[needs("read")])
async def list_threads(here: Here, caller: Caller, query: Annotated[ThreadQuery, Query()]) -> ThreadPage:
    """The threads the caller may see, newest first."""
    before, limit, people = position(query.cursor), query.limit, here.bot.roster.people
    wanted = partial(listed, status=query.status, agent=query.agent, viewer=caller.viewer)
    found = await here.bot.engine.database.read(partial(wanted, before=before, limit=limit + 1))
    shown = tuple(thread_view(state, people) for state in found[:limit])
    more = len(found) > limit
    return ThreadPage(threads=shown, next_cursor=cursor_at(shown[-1].created_at, shown[-1].id) if more else None)


@router.get("/{thread_id}", responses=failures(403, 404), dependencies=[needs("read"), VISIBLE_THREAD])
async def show_thread(thread_id: str, here: Here) -> ThreadView:
    """One thread, as of the last commit."""
    return thread_view(await here.bot.engine.load(thread_id), here.bot.roster.people)


@router.get("/{thread_id}/replay", responses=failures(403, 404), dependencies=[needs("read"), VISIBLE_THREAD])
async def replay_thread(thread_id: str, here: Here) -> ReplayView:
    """Fold the whole log again, and compare with what is stored.

    Growth of CONTRACT §4: `threads replay` asks for it while a server holds the database.
    """
    found = await replay(here.bot.engine.database, thread_id)
    state = found.state
    return ReplayView(
        id=thread_id,
        version=state.version,
        status=state.status,
        events=state.version,
        matches=found.matches,
        unreadable=found.unreadable,
    )


@router.post(
    "/{thread_id}/messages",
    status_code=202,
    response_model=ThreadView,
    responses=failures(403, 404, 409, *WITH_BODY),
    dependencies=[needs("start"), VISIBLE_THREAD],
)
async def say(thread_id: str, body: NewMessage, here: Here, voice: SpokenBy, once: OnlyOnce) -> Response:
    """Say something in a thread; one that rests goes on. A message never approves anything."""
    heard = voice.speaker(body.actor).heard(body.text, here.bot.chance.now())
    return await once.answer(
        lambda claim, reply: here.bot.intake.hear(thread_id, heard, claim=claim, reply=reply), tell_thread(202, here)
    )


def tell_thread(status: int, here: Parts) -> Tell:
    """Return what answers with the thread as it is afterwards."""

    def told(recorded: Recorded) -> Told:
        view = thread_view(recorded.after, here.bot.roster.people)
        return Told(status=status, body=view.model_dump(mode="json"))

    return told
