"""kill -9 between what happens on Slack and what is written down of it: nothing is lost, nothing is said twice."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.crashes.checker import violations
from tests.crashes.client import Client
from tests.crashes.evidence import Evidence
from tests.crashes.nursery import until
from tests.crashes.scene import QUICK, Scene, shared
from tests.crashes.team import OPS, Team, team_of
from tests.fakes.slack.somebody import NotTaken


@dataclass(frozen=True)
class Death:
    """Where the bot dies, and since which step it is on its way there."""

    since: str
    place: str
    nth: int = 1
    socket: bool = True
    """Whether one gets there over Socket Mode too."""

    def __str__(self) -> str:
        return f"{self.since}, {self.place}{f' again ({self.nth})' if self.nth > 1 else ''}"


def _asking() -> Iterator[Death]:
    yield Death("nothing", "request read", socket=False)
    yield Death("nothing", "auth.test called")
    yield Death("nothing", "before the commit of ThreadStarted")
    yield Death("nothing", "after the commit of ThreadStarted")
    yield Death("nothing", "answer ready", socket=False)
    yield Death("nothing", "chat.postMessage called")
    yield Death("nothing", "chat.postMessage done")
    yield Death("nothing", "before the commit of RequestShown")
    yield Death("nothing", "after the commit of RequestShown")


def _deciding() -> Iterator[Death]:
    yield Death("shown", "request read", socket=False)
    yield Death("shown", "before the commit of RequestAnswered")
    yield Death("shown", "after the commit of RequestAnswered")
    yield Death("shown", "answer ready", socket=False)
    yield Death("shown", "chat.update called")
    yield Death("shown", "chat.update done")
    yield Death("shown", "before the commit of MessageSent")
    yield Death("shown", "after the commit of MessageSent")
    yield Death("shown", "chat.postMessage called")
    yield Death("shown", "chat.postMessage done")
    yield Death("shown", "before the commit of MessageSent", 2)
    yield Death("shown", "after the commit of MessageSent", 2)


DEATHS = (*_asking(), *_deciding())


@pytest.mark.parametrize("death", DEATHS, ids=str)
async def test_killed_here_nothing_is_lost_and_nothing_is_said_twice(death: Death, scene: Scene) -> None:
    """On SQLite over HTTP and on PostgreSQL over Socket Mode, where one gets there."""
    async with team_of(scene, socket=death.socket and scene.shared) as team:
        async with asyncio.TaskGroup() as dying:
            await opens(team, death, "nothing", dying)
            root = await team.alice.mentions("ship 1", channel=OPS)
            card = await team.bob.sees(root, approval="ship")
            await opens(team, death, "shown", dying)
            await card.insist("Approve", by=team.bob)
            await card.settled("approved by Bob")
            await team.alice.hears(root, "did ship 1")
        await is_done_once(team)


async def opens(team: Team, death: Death, step: str, dying: asyncio.TaskGroup) -> None:
    """From this step on the bot is on its way to its death, if it is the step; then it is opened again."""
    if step == death.since:
        await team.opens_again(death.place, death.nth)
        dying.create_task(dies_and_is_opened(team, death))
    elif step == "nothing":
        await team.opens()


async def dies_and_is_opened(team: Team, death: Death) -> None:
    await team.dies(death.place, death.nth)
    await team.opens()


async def is_done_once(team: Team, said: int = 2) -> Evidence:
    """One thread, one decision that counted, a deed under one name, and on Slack each message once."""
    await team.comes_to_rest()
    team.slack.overlooks_notes()
    evidence = team.evidence()
    assert violations(evidence, healed=True) == []
    assert [row.status for row in evidence.threads.values()] == ["done"]
    assert len({(deed["tool"], deed["key"]) for deed in evidence.deeds}) == 1
    assert sum(event.data["answer"]["counted"] for event in evidence.of_type("RequestAnswered")) == 1
    assert len(evidence.sent) == said
    return evidence


@pytest.mark.parametrize("place", ["conversations.replies called", "conversations.replies done"])
async def test_killed_while_it_looks_for_what_had_arrived_it_looks_again(place: str, scene: Scene) -> None:
    async with team_of(scene, socket=scene.shared) as team:
        await team.opens("chat.postMessage done")
        root = await team.alice.mentions("ship 1", channel=OPS)
        await team.dies("chat.postMessage done")
        await team.opens(place)
        await team.dies(place)
        await team.opens()
        card = await team.bob.sees(root, approval="ship")
        await card.insist("Approve", by=team.bob)
        await team.alice.hears(root, "did ship 1")
        await is_done_once(team)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_a_click_that_does_not_count_the_requester_is_told_when_they_click_again(
    when: str, scene: Scene
) -> None:
    """After the commit the note is lost with the process: Slack has no interaction brought twice."""
    place = f"{when} the commit of RequestAnswered"
    async with team_of(scene, socket=scene.shared) as team:
        await team.opens()
        root = await team.alice.mentions("ship 1", channel=OPS)
        card = await team.bob.sees(root, approval="ship")
        await team.opens_again(place)
        with pytest.raises(NotTaken):
            await card.click("Approve", by=team.alice)
        await team.dies(place)
        await team.opens()
        await card.insist("Approve", by=team.alice)
        await team.alice.told("not among those who may decide")
        await card.insist("Approve", by=team.bob)
        await team.alice.hears(root, "did ship 1")
        evidence = await is_done_once(team)
        refused = [e for e in evidence.of_type("RequestAnswered") if e.actor == "person:alice"]
        assert len(refused) == {"before": 1, "after": 2}[when]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_an_edit_that_changes_what_is_wanted_it_is_heard_once(when: str, scene: Scene) -> None:
    place = f"{when} the commit of MessageEdited"
    async with team_of(scene, socket=scene.shared) as team:
        await team.opens()
        root = await team.alice.mentions("ship 1", channel=OPS)
        first = await team.bob.sees(root, approval="ship")
        await team.opens_again(place)
        await team.alice.edits(root, f"<@{team.slack.app.user}> ship 2")
        await team.dies(place)
        await team.opens()
        await first.settled("Superseded")
        second = await team.bob.sees(root, "order: 2", approval="ship")
        await second.insist("Approve", by=team.bob)
        await team.alice.hears(root, "did ship 2")
        evidence = await is_done_once(team, said=3)
        assert len(list(evidence.of_type("MessageEdited"))) == 1


async def test_a_change_that_is_nothing_new_leaves_its_names_and_no_more(scene: Scene) -> None:
    async with team_of(scene, socket=scene.shared) as team:
        await team.opens()
        root = await team.alice.mentions("look 1", channel=OPS)
        await team.alice.hears(root, "did look 1")
        await team.alice.edits(root, f"<@{team.slack.app.user}> look 1")
        await team.slack.quiet()
        await team.opens_again()
        await team.alice.deletes(root)
        await team.slack.quiet()
        await team.comes_to_rest()
        evidence = team.evidence()
        assert violations(evidence, healed=True) == []
        assert [e.type for e in evidence.of_type("MessageEdited", "MessageDeleted")] == ["MessageDeleted"]


@pytest.mark.parametrize(
    "place", ["chat.postMessage done", "before the commit of RequestShown", "after the commit of RequestShown"]
)
async def test_killed_at_the_first_word_of_a_thread_from_elsewhere_its_place_begins_once(
    place: str, scene: Scene
) -> None:
    async with team_of(scene, socket=scene.shared) as team:
        team.slack.channel(OPS)
        await team.opens(place)
        asked = {"message": "ship 1", "agent": "crew", "reply_to": f"slack:{OPS}"}
        await asyncio.to_thread(Client(scene, "alice").post, "/v1/threads", asked, "alice-1")
        await team.dies(place)
        await team.opens()
        card = await team.bob.sees(approval="ship")
        await card.insist("Approve", by=team.bob)
        await team.bob.hears(card.message, "did ship 1")
        await is_done_once(team)


@shared
async def test_a_reply_whose_worker_died_is_not_said_again_by_whoever_brings_the_next_card(scene: Scene) -> None:
    """Cards go before words: the worker with the card would find the reply in the outbox, and know of no attempt."""
    scene.stale = QUICK
    async with team_of(scene, socket=False) as team:
        await team.opens("chat.postMessage done")
        root = await team.alice.mentions("look 1", channel=OPS)
        await team.alice.hears(root, "did look 1")
        await asyncio.to_thread(until, lambda: scene.dead, lambda: f"nobody died: {scene.said}")
        await team.alice.replies(root, "ship 2")
        card = await team.bob.sees(root, approval="ship")
        await card.insist("Approve", by=team.bob)
        await team.alice.hears(root, "did ship 2")
        await team.comes_to_rest()
        assert violations(team.evidence(), healed=True) == []
        assert len(team.evidence().sent) == 3
