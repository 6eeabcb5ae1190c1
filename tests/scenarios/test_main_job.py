"""The main scenarios on each channel: request, question, decision, tool and reply."""

from pathlib import Path

import pytest

from tests.harness.channel_people import CHANNELS
from tests.harness.server import running_server
from tests.slow_cases import slow, slow_unless

on_every_channel = pytest.mark.parametrize("channel", CHANNELS, indirect=True)


@pytest.fixture(params=slow_unless(lambda name: name == "terminal", CHANNELS))
def channel(request: pytest.FixtureRequest) -> str:
    """Return the channel of a test: the terminal, and with `--all` every channel."""
    name: str = request.param
    return name


@on_every_channel
async def test_approved_release_moves_the_tag_and_is_reported(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob = harness.get_person("alice"), harness.get_person("bob")
        before = harness.repository.tag_commit("production")
        await alice.post_message("deploy v1.4.0 to production")
        card = await bob.wait_for_card(approval="push_release_tag")
        assert card.request["arguments"]["commit"] == harness.repository.tag_commit("v1.4.0")
        assert harness.repository.tag_commit("production") == before
        await card.approve()
        await alice.wait_for_reply("production is now v1.4.0")
        assert harness.repository.tag_commit("production") == harness.repository.tag_commit("v1.4.0") != before
        assert len(harness.repository.release_records(harness.repository.tag_commit("v1.4.0"))) == 1
        request = await card.wait_for_status("approved")
        assert [answer["by"] for answer in request["answers"]] == ["person:bob"]
        await alice.wait_for_status("done")


@on_every_channel
async def test_open_card_survives_a_server_kill(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob = harness.get_person("alice"), harness.get_person("bob")
        await alice.post_message("deploy v1.4.0 to production")
        card = await bob.wait_for_card(approval="push_release_tag")
        await harness.kill()
        await harness.start()
        await card.approve()
        await alice.wait_for_reply("production is now v1.4.0")
        assert harness.repository.tag_commit("production") == harness.repository.tag_commit("v1.4.0")
        assert (await alice.event_types()).count("RequestOpened") == 1


async def test_denied_release_moves_nothing_and_the_reason_is_reported(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob = harness.get_person("alice"), harness.get_person("bob")
        before = harness.repository.tag_commit("production")
        await alice.post_message("deploy v1.4.0 to production")
        card = await bob.wait_for_card(approval="push_release_tag")
        await card.deny("not on a Friday")
        await alice.wait_for_reply("not on a Friday")
        assert harness.repository.tag_commit("production") == before
        await alice.post_message("what is deployed")
        await alice.wait_for_reply("production is v1.2.0")


async def test_plain_reply_answers_a_question_of_the_agent(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob = harness.get_person("alice"), harness.get_person("bob")
        await alice.post_message("deploy v1.4.0")
        question = await alice.wait_for_card(question="v1.4.0")
        assert set(question.request["choices"]) == {"staging", "production"}
        await alice.post_message("staging")
        await (await bob.wait_for_card(approval="push_release_tag")).approve()
        await alice.wait_for_reply("staging is now v1.4.0")
        await question.wait_for_status("answered")


async def test_requester_and_others_may_not_approve_and_get_the_reason(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob, carol = (harness.get_person(name) for name in ("alice", "bob", "carol"))
        await bob.post_message("deploy v1.4.0 to staging")
        card = await carol.wait_for_card(approval="push_release_tag")
        for person, message in ((bob, "another person must"), (alice, "there is no request")):
            with pytest.raises(Exception, match=message):
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


@slow
async def test_author_of_an_instruction_in_a_thread_may_not_approve_it(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob, carol = (harness.get_person(name) for name in ("alice", "bob", "carol"))
        await alice.post_message("deploy v1.4.0 to production")
        await (await carol.wait_for_card(approval="push_release_tag")).deny("staging first")
        await alice.wait_for_reply("staging first")
        await bob.join(alice)  # he may see the thread, because a request in it named his role
        await bob.post_message("deploy v1.4.0 to staging")
        card = await carol.wait_for_card(approval="push_release_tag")
        assert card.request["requesters"] == ["person:alice", "person:bob"]
        with pytest.raises(Exception, match="another person must"):
            await bob.answer_request(card, decision="approve")
        await card.approve()
        await bob.wait_for_reply("staging is now v1.4.0")
        await alice.wait_for_reply("staging is now v1.4.0")


async def test_edit_approves_the_edited_arguments(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob = harness.get_person("alice"), harness.get_person("bob")
        await alice.post_message("deploy v1.4.0 to staging")
        card = await bob.wait_for_card(approval="push_release_tag")
        digest = card.request["digest"]
        assert card.request["filled_in"] == ["commit", "replaces"]
        edited = await card.edit(tag="v1.1.0", commit="", replaces="")
        assert edited["status"] == "approved"
        assert edited["digest"] != digest
        await alice.wait_for_reply("staging is now v1.1.0")
        assert harness.repository.tag_commit("staging") == harness.repository.tag_commit("v1.1.0")


@slow
async def test_quorum_needs_two_different_people(tmp_path: Path, channel: str) -> None:
    rules = '[[policy]]\ntool = "push_release_tag"\nask = { roles = ["release"], quorum = 2 }\n'
    async with running_server(tmp_path, channel, rules=rules) as harness:
        alice, bob, carol = (harness.get_person(name) for name in ("alice", "bob", "carol"))
        await alice.post_message("deploy v1.4.0 to staging")
        card = await bob.wait_for_card(approval="push_release_tag")
        assert (await card.approve())["status"] == "open"
        assert (await card.approve())["status"] == "open"
        assert (await carol.answer_request(card, decision="approve"))["status"] == "approved"
        await alice.wait_for_reply("staging is now v1.4.0")


@slow
async def test_new_instruction_supersedes_an_approval_and_a_comment_does_not(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob = harness.get_person("alice"), harness.get_person("bob")
        await alice.post_message("deploy v1.4.0 to staging")
        first = await bob.wait_for_card(approval="push_release_tag")
        await alice.post_message("the tests are green, by the way")
        assert (await bob.fetch_request(first))["status"] == "open"
        await alice.post_message("deploy v1.1.0 to staging")
        second = await bob.wait_for_card(approval="push_release_tag")
        await first.wait_for_status("superseded")
        await second.approve()
        await alice.wait_for_reply("staging is now v1.1.0")


@slow
async def test_rollback_needs_approval_and_restores_the_previous_release(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob = harness.get_person("alice"), harness.get_person("bob")
        before = harness.repository.tag_commit("staging")
        await alice.post_message("deploy v1.4.0 to staging")
        await (await bob.wait_for_card(approval="push_release_tag")).approve()
        await alice.wait_for_reply("staging is now v1.4.0")
        await alice.post_message("roll back staging")
        await (await bob.wait_for_card(approval="roll_back")).approve()
        await alice.wait_for_reply("v1.3.0")
        assert harness.repository.tag_commit("staging") == before


@slow
async def test_paused_thread_runs_no_approved_tool_and_can_be_cancelled(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob, carol = (harness.get_person(name) for name in ("alice", "bob", "carol"))
        before = harness.repository.tag_commit("production")
        await alice.post_message("deploy v1.4.0 to production")
        card = await bob.wait_for_card(approval="push_release_tag")
        assert harness.run_command("threads", "pause", str(alice.thread)).returncode == 0
        await card.approve()
        assert (await alice.wait_for_status("paused"))["open_requests"] == []
        second_pause = harness.run_command("threads", "pause", str(alice.thread))
        assert (second_pause.returncode, "paused" in second_pause.stderr) == (1, True)
        assert harness.run_command("threads", "cancel", str(alice.thread)).returncode == 0
        await alice.wait_for_status("cancelled")
        assert harness.repository.tag_commit("production") == before
        with pytest.raises(Exception, match="cancelled"):
            await alice.post_message("hello?")
        assert carol.thread is None


async def test_server_stops_cleanly_and_the_log_replays(tmp_path: Path, channel: str) -> None:
    async with running_server(tmp_path, channel) as harness:
        alice, bob = harness.get_person("alice"), harness.get_person("bob")
        await alice.post_message("deploy v1.4.0 to staging")
        await (await bob.wait_for_card(approval="push_release_tag")).approve()
        await alice.wait_for_reply("staging is now v1.4.0")
        thread = str(alice.thread)
        with_server = harness.run_command("threads", "replay", thread, "--json")
        assert await harness.stop() == 0
        without_server = harness.run_command("threads", "replay", thread, "--json")
        assert with_server.returncode == without_server.returncode == 0
        assert with_server.stdout == without_server.stdout
        assert '"matches": true' in without_server.stdout
        await harness.start()
