"""The main job as stories, told on every channel there is: ask an agent, it asks back, a person decides, it acts."""

from pathlib import Path

import pytest

from tests.stories.people import CHANNELS
from tests.stories.town import town


@pytest.fixture(params=CHANNELS)
def channel(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def test_ask_card_approve_tag_moved_reply(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob = here.person("alice"), here.person("bob")
        before = here.repo.tag("production")
        await alice.says("deploy v1.4.0 to production")
        card = await bob.sees(approval="push_release_tag")
        assert card.request["arguments"]["commit"] == here.repo.tag("v1.4.0")
        assert here.repo.tag("production") == before
        await card.approve()
        await alice.hears("production is now v1.4.0")
        assert here.repo.tag("production") == here.repo.tag("v1.4.0") != before
        assert len(here.repo.records(here.repo.tag("v1.4.0"))) == 1
        settled = await card.is_settled("approved")
        assert [answer["by"] for answer in settled["answers"]] == ["person:bob"]
        await alice.status("done")


async def test_killing_the_server_while_the_card_is_open_changes_nothing_for_the_people(
    tmp_path: Path, channel: str
) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob = here.person("alice"), here.person("bob")
        await alice.says("deploy v1.4.0 to production")
        card = await bob.sees(approval="push_release_tag")
        await here.is_killed()
        await here.opens()
        await card.approve()
        await alice.hears("production is now v1.4.0")
        assert here.repo.tag("production") == here.repo.tag("v1.4.0")
        assert (await alice.story()).count("RequestOpened") == 1


async def test_a_denial_moves_nothing_and_its_reason_is_told(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob = here.person("alice"), here.person("bob")
        before = here.repo.tag("production")
        await alice.says("deploy v1.4.0 to production")
        card = await bob.sees(approval="push_release_tag")
        await card.deny("not on a Friday")
        await alice.hears("not on a Friday")
        assert here.repo.tag("production") == before
        await alice.says("what is deployed")
        await alice.hears("production is v1.2.0")


async def test_the_agent_asks_back_and_the_answer_is_a_plain_reply(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob = here.person("alice"), here.person("bob")
        await alice.says("deploy v1.4.0")
        question = await alice.sees(question="v1.4.0")
        assert set(question.request["choices"]) == {"staging", "production"}
        await alice.says("staging")
        await (await bob.sees(approval="push_release_tag")).approve()
        await alice.hears("staging is now v1.4.0")
        await question.is_settled("answered")


async def test_four_eyes_the_requester_and_the_bystander_are_refused_and_told_why(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob, carol = (here.person(name) for name in ("alice", "bob", "carol"))
        await bob.says("deploy v1.4.0 to staging")
        card = await carol.sees(approval="push_release_tag")
        for person, why in ((bob, "second person"), (alice, "there is no request")):
            with pytest.raises(Exception, match=why):
                await person.answers(card, decision="approve")
        await card.approve()
        await bob.hears("staging is now v1.4.0")
        with pytest.raises(Exception, match="settled: approved by Carol Diaz"):
            await carol.answers(card, decision="deny", comment="too late")
        answers = (await card.is_settled("approved"))["answers"]
        assert [(a["by"], a["counted"]) for a in answers] == [
            ("person:bob", False),
            ("person:carol", True),
        ]


async def test_words_in_the_thread_of_another_exclude_from_approving(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob, carol = (here.person(name) for name in ("alice", "bob", "carol"))
        await alice.says("deploy v1.4.0 to production")
        await (await carol.sees(approval="push_release_tag")).deny("staging first")
        await alice.hears("staging first")
        await bob.joins(alice)  # he may see the thread, because a request in it named his role
        await bob.says("deploy v1.4.0 to staging")
        card = await carol.sees(approval="push_release_tag")
        assert card.request["requesters"] == ["person:alice", "person:bob"]
        with pytest.raises(Exception, match="second person"):
            await bob.answers(card, decision="approve")
        await card.approve()
        await bob.hears("staging is now v1.4.0")
        await alice.hears("staging is now v1.4.0")


async def test_an_edit_is_the_editors_approval_of_what_they_wrote(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob = here.person("alice"), here.person("bob")
        await alice.says("deploy v1.4.0 to staging")
        card = await bob.sees(approval="push_release_tag")
        digest = card.request["digest"]
        assert card.request["filled_in"] == ["commit", "replaces"]
        edited = await card.edit(tag="v1.1.0", commit="", replaces="")
        assert edited["status"] == "approved"
        assert edited["digest"] != digest
        await alice.hears("staging is now v1.1.0")
        assert here.repo.tag("staging") == here.repo.tag("v1.1.0")


async def test_quorum_takes_two_different_people(tmp_path: Path, channel: str) -> None:
    rules = '[[policy]]\ntool = "push_release_tag"\nask = { roles = ["release"], quorum = 2 }\n'
    async with town(tmp_path, channel, rules=rules) as here:
        alice, bob, carol = (here.person(name) for name in ("alice", "bob", "carol"))
        await alice.says("deploy v1.4.0 to staging")
        card = await bob.sees(approval="push_release_tag")
        assert (await card.approve())["status"] == "open"
        assert (await card.approve())["status"] == "open"
        assert (await carol.answers(card, decision="approve"))["status"] == "approved"
        await alice.hears("staging is now v1.4.0")


async def test_a_new_instruction_replaces_the_open_approval_and_a_remark_does_not(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob = here.person("alice"), here.person("bob")
        await alice.says("deploy v1.4.0 to staging")
        first = await bob.sees(approval="push_release_tag")
        await alice.says("the tests are green, by the way")
        assert (await bob.looks_at(first))["status"] == "open"
        await alice.says("deploy v1.1.0 to staging")
        second = await bob.sees(approval="push_release_tag")
        await first.is_settled("superseded")
        await second.approve()
        await alice.hears("staging is now v1.1.0")


async def test_rolling_back_asks_too_and_goes_to_the_release_before(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob = here.person("alice"), here.person("bob")
        before = here.repo.tag("staging")
        await alice.says("deploy v1.4.0 to staging")
        await (await bob.sees(approval="push_release_tag")).approve()
        await alice.hears("staging is now v1.4.0")
        await alice.says("roll back staging")
        await (await bob.sees(approval="roll_back")).approve()
        await alice.hears("v1.3.0")
        assert here.repo.tag("staging") == before


async def test_pausing_holds_an_approved_tool_back_and_cancelling_ends_it(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob, carol = (here.person(name) for name in ("alice", "bob", "carol"))
        before = here.repo.tag("production")
        await alice.says("deploy v1.4.0 to production")
        card = await bob.sees(approval="push_release_tag")
        assert here.calls("threads", "pause", str(alice.thread)).returncode == 0
        await card.approve()
        assert (await alice.status("paused"))["open_requests"] == []
        again = here.calls("threads", "pause", str(alice.thread))
        assert (again.returncode, "paused" in again.stderr) == (1, True)
        assert here.calls("threads", "cancel", str(alice.thread)).returncode == 0
        await alice.status("cancelled")
        assert here.repo.tag("production") == before
        with pytest.raises(Exception, match="cancelled"):
            await alice.says("hello?")
        assert carol.thread is None


async def test_a_stopped_server_ends_in_peace_and_the_log_replays(tmp_path: Path, channel: str) -> None:
    async with town(tmp_path, channel) as here:
        alice, bob = here.person("alice"), here.person("bob")
        await alice.says("deploy v1.4.0 to staging")
        await (await bob.sees(approval="push_release_tag")).approve()
        await alice.hears("staging is now v1.4.0")
        thread = str(alice.thread)
        with_server = here.calls("threads", "replay", thread, "--json")
        assert await here.closes() == 0
        without = here.calls("threads", "replay", thread, "--json")
        assert with_server.returncode == without.returncode == 0
        assert with_server.stdout == without.stdout
        assert '"matches": true' in without.stdout
        await here.opens()
