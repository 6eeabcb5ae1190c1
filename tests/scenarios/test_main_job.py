"""The main job as stories, told on every channel there is: ask an agent, it asks back, a person decides, it acts."""

from pathlib import Path

import pytest

from tests.stories.people import CHANNELS
from tests.stories.server_harness import running_server


@pytest.fixture(params=CHANNELS)
def channel(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def test_ask_card_approve_tag_moved_reply(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob = here.get_person("alice"), here.get_person("bob")
        before = here.repository.tag_commit("production")
        await alice.post_message("deploy v1.4.0 to production")
        card = await bob.wait_for_card(approval="push_release_tag")
        assert card.request["arguments"]["commit"] == here.repository.tag_commit("v1.4.0")
        assert here.repository.tag_commit("production") == before
        await card.approve()
        await alice.wait_for_reply("production is now v1.4.0")
        assert here.repository.tag_commit("production") == here.repository.tag_commit("v1.4.0") != before
        assert len(here.repository.release_records(here.repository.tag_commit("v1.4.0"))) == 1
        settled = await card.wait_for_status("approved")
        assert [answer["by"] for answer in settled["answers"]] == ["person:bob"]
        await alice.wait_for_status("done")


async def test_killing_the_server_while_the_card_is_open_changes_nothing_for_the_people(
    tmp_path: Path, channel: str
) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob = here.get_person("alice"), here.get_person("bob")
        await alice.post_message("deploy v1.4.0 to production")
        card = await bob.wait_for_card(approval="push_release_tag")
        await here.kill()
        await here.start()
        await card.approve()
        await alice.wait_for_reply("production is now v1.4.0")
        assert here.repository.tag_commit("production") == here.repository.tag_commit("v1.4.0")
        assert (await alice.event_types()).count("RequestOpened") == 1


async def test_a_denial_moves_nothing_and_its_reason_is_told(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob = here.get_person("alice"), here.get_person("bob")
        before = here.repository.tag_commit("production")
        await alice.post_message("deploy v1.4.0 to production")
        card = await bob.wait_for_card(approval="push_release_tag")
        await card.deny("not on a Friday")
        await alice.wait_for_reply("not on a Friday")
        assert here.repository.tag_commit("production") == before
        await alice.post_message("what is deployed")
        await alice.wait_for_reply("production is v1.2.0")


async def test_the_agent_asks_back_and_the_answer_is_a_plain_reply(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob = here.get_person("alice"), here.get_person("bob")
        await alice.post_message("deploy v1.4.0")
        question = await alice.wait_for_card(question="v1.4.0")
        assert set(question.request["choices"]) == {"staging", "production"}
        await alice.post_message("staging")
        await (await bob.wait_for_card(approval="push_release_tag")).approve()
        await alice.wait_for_reply("staging is now v1.4.0")
        await question.wait_for_status("answered")


async def test_four_eyes_the_requester_and_the_bystander_are_refused_and_told_why(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob, carol = (here.get_person(name) for name in ("alice", "bob", "carol"))
        await bob.post_message("deploy v1.4.0 to staging")
        card = await carol.wait_for_card(approval="push_release_tag")
        for person, why in ((bob, "second person"), (alice, "there is no request")):
            with pytest.raises(Exception, match=why):
                await person.answer_request(card, decision="approve")
        await card.approve()
        await bob.wait_for_reply("staging is now v1.4.0")
        with pytest.raises(Exception, match="settled: approved by Carol Diaz"):
            await carol.answer_request(card, decision="deny", comment="too late")
        answers = (await card.wait_for_status("approved"))["answers"]
        assert [(a["by"], a["counted"]) for a in answers] == [
            ("person:bob", False),
            ("person:carol", True),
        ]


async def test_words_in_the_thread_of_another_exclude_from_approving(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob, carol = (here.get_person(name) for name in ("alice", "bob", "carol"))
        await alice.post_message("deploy v1.4.0 to production")
        await (await carol.wait_for_card(approval="push_release_tag")).deny("staging first")
        await alice.wait_for_reply("staging first")
        await bob.join(alice)  # he may see the thread, because a request in it named his role
        await bob.post_message("deploy v1.4.0 to staging")
        card = await carol.wait_for_card(approval="push_release_tag")
        assert card.request["requesters"] == ["person:alice", "person:bob"]
        with pytest.raises(Exception, match="second person"):
            await bob.answer_request(card, decision="approve")
        await card.approve()
        await bob.wait_for_reply("staging is now v1.4.0")
        await alice.wait_for_reply("staging is now v1.4.0")


async def test_an_edit_is_the_editors_approval_of_what_they_wrote(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob = here.get_person("alice"), here.get_person("bob")
        await alice.post_message("deploy v1.4.0 to staging")
        card = await bob.wait_for_card(approval="push_release_tag")
        digest = card.request["digest"]
        assert card.request["filled_in"] == ["commit", "replaces"]
        edited = await card.edit(tag="v1.1.0", commit="", replaces="")
        assert edited["status"] == "approved"
        assert edited["digest"] != digest
        await alice.wait_for_reply("staging is now v1.1.0")
        assert here.repository.tag_commit("staging") == here.repository.tag_commit("v1.1.0")


async def test_quorum_takes_two_different_people(tmp_path: Path, channel: str) -> None:
    rules = '[[policy]]\ntool = "push_release_tag"\nask = { roles = ["release"], quorum = 2 }\n'
    async with running_server(tmp_path, channel, rules=rules) as here:
        alice, bob, carol = (here.get_person(name) for name in ("alice", "bob", "carol"))
        await alice.post_message("deploy v1.4.0 to staging")
        card = await bob.wait_for_card(approval="push_release_tag")
        assert (await card.approve())["status"] == "open"
        assert (await card.approve())["status"] == "open"
        assert (await carol.answer_request(card, decision="approve"))["status"] == "approved"
        await alice.wait_for_reply("staging is now v1.4.0")


async def test_a_new_instruction_replaces_the_open_approval_and_a_remark_does_not(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob = here.get_person("alice"), here.get_person("bob")
        await alice.post_message("deploy v1.4.0 to staging")
        first = await bob.wait_for_card(approval="push_release_tag")
        await alice.post_message("the tests are green, by the way")
        assert (await bob.fetch_request(first))["status"] == "open"
        await alice.post_message("deploy v1.1.0 to staging")
        second = await bob.wait_for_card(approval="push_release_tag")
        await first.wait_for_status("superseded")
        await second.approve()
        await alice.wait_for_reply("staging is now v1.1.0")


async def test_rolling_back_asks_too_and_goes_to_the_release_before(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob = here.get_person("alice"), here.get_person("bob")
        before = here.repository.tag_commit("staging")
        await alice.post_message("deploy v1.4.0 to staging")
        await (await bob.wait_for_card(approval="push_release_tag")).approve()
        await alice.wait_for_reply("staging is now v1.4.0")
        await alice.post_message("roll back staging")
        await (await bob.wait_for_card(approval="roll_back")).approve()
        await alice.wait_for_reply("v1.3.0")
        assert here.repository.tag_commit("staging") == before


async def test_pausing_holds_an_approved_tool_back_and_cancelling_ends_it(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob, carol = (here.get_person(name) for name in ("alice", "bob", "carol"))
        before = here.repository.tag_commit("production")
        await alice.post_message("deploy v1.4.0 to production")
        card = await bob.wait_for_card(approval="push_release_tag")
        assert here.run_command("threads", "pause", str(alice.thread)).returncode == 0
        await card.approve()
        assert (await alice.wait_for_status("paused"))["open_requests"] == []
        again = here.run_command("threads", "pause", str(alice.thread))
        assert (again.returncode, "paused" in again.stderr) == (1, True)
        assert here.run_command("threads", "cancel", str(alice.thread)).returncode == 0
        await alice.wait_for_status("cancelled")
        assert here.repository.tag_commit("production") == before
        with pytest.raises(Exception, match="cancelled"):
            await alice.post_message("hello?")
        assert carol.thread is None


async def test_a_stopped_server_ends_in_peace_and_the_log_replays(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as here:
        alice, bob = here.get_person("alice"), here.get_person("bob")
        await alice.post_message("deploy v1.4.0 to staging")
        await (await bob.wait_for_card(approval="push_release_tag")).approve()
        await alice.wait_for_reply("staging is now v1.4.0")
        thread = str(alice.thread)
        with_server = here.run_command("threads", "replay", thread, "--json")
        assert await here.stop() == 0
        without = here.run_command("threads", "replay", thread, "--json")
        assert with_server.returncode == without.returncode == 0
        assert with_server.stdout == without.stdout
        assert '"matches": true' in without.stdout
        await here.start()
