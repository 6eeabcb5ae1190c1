"""`handrail chat`: a conversation with an agent of the running server, on this terminal."""

import asyncio
from typing import Annotated

from typer import Exit, Option, Typer

from bot.cli.chat.keyboard import on_terminal, typed
from bot.cli.chat.once import once
from bot.cli.chat.session import Session
from bot.cli.screen import console
from bot.cli.server import As, client
from bot.settings import Settings, load_settings

app = Typer()


@app.command()
def chat(
    *,
    agent: Annotated[str | None, Option("--agent", metavar="NAME", help="Whom to talk to; default: the first.")] = None,
    person: As = None,
    text: Annotated[
        str | None, Option("--once", metavar="TEXT", help="Say this, print what comes of it as JSON lines, and leave.")
    ] = None,
) -> None:
    """Talk to an agent of the running server, and answer what it asks; /help shows what can be typed."""
    settings = load_settings()
    if text is not None:
        raise Exit(asyncio.run(_once(settings, person, agent, text)))
    asyncio.run(_converse(settings, person, agent))


async def _once(settings: Settings, person: str | None, agent: str | None, text: str) -> int:
    async with client(settings, person) as server:
        return await once(server, text, agent)


async def _converse(settings: Settings, person: str | None, agent: str | None) -> None:
    async with client(settings, person) as server:
        session = Session(server, console(settings), agent)
        await session.run(typed(session.prompt, session.completions), patient=not on_terminal())
