"""`handrail chat`: chat with an agent of the running server in this terminal."""

import asyncio
from typing import Annotated

from typer import Exit, Option, Typer

from bot.cli.api_client import PersonOption, build_client
from bot.cli.chat.input import is_interactive, read_lines
from bot.cli.chat.once import run_once
from bot.cli.chat.session import Session
from bot.cli.output import build_console
from bot.config.settings import Settings, load_settings

app = Typer()


@app.command()
def chat(
    *,
    agent: Annotated[
        str | None, Option("--agent", metavar="NAME", help="The agent to chat with; default: the first.")
    ] = None,
    person: PersonOption = None,
    text: Annotated[
        str | None,
        Option("--once", metavar="TEXT", help="Post this message, print the results as JSON lines, and exit."),
    ] = None,
) -> None:
    """Chat with an agent of the running server and answer its requests. Type /help for a list of commands."""
    settings = load_settings()
    if text is not None:
        raise Exit(asyncio.run(_chat_once(settings, person, agent, text)))
    asyncio.run(_chat_interactively(settings, person, agent))


async def _chat_once(settings: Settings, person: str | None, agent: str | None, text: str) -> int:
    async with build_client(settings, person) as server:
        return await run_once(server, text, agent)


async def _chat_interactively(settings: Settings, person: str | None, agent: str | None) -> None:
    async with build_client(settings, person) as server:
        session = Session(server, build_console(settings), agent)
        await session.run(read_lines(session.prompt, session.completions), is_scripted=not is_interactive())
