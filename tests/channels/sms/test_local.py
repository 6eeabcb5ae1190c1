"""SMS without an account: the log shows them, and an administrator's terminal is the phone."""

from pathlib import Path

import httpx2

from tests.harness.people import PHONE_NUMBERS, TOKENS
from tests.harness.server import running_server
from tests.harness.sms_server import PEOPLE_WITH_PHONES, RULE

SIMULATE = "/channels/sms/simulate"


async def test_phone_is_simulated_for_an_administrator(tmp_path: Path) -> None:
    async with running_server(tmp_path, "terminal", rules=RULE, people=PEOPLE_WITH_PHONES) as harness:
        alice = harness.get_person("alice")
        await alice.post_message("deploy v1.4.0 to production")
        await alice.wait_for_card(approval="push_release_tag")
        async with httpx2.AsyncClient(base_url=harness.processes.url, trust_env=False, timeout=15) as client:
            body = {"from": "bob", "text": "hello?"}
            assert (await client.post(SIMULATE, json=body)).status_code == 401
            as_bob = {"Authorization": f"Bearer {TOKENS['bob']}"}
            assert (await client.post(SIMULATE, json=body, headers=as_bob)).status_code == 403
            client.headers["Authorization"] = f"Bearer {TOKENS['carol']}"
            for invalid in (
                {},
                {"from": "dave", "text": "x"},
                {"from": "a b", "text": "x"},
                {"from": "alice", "text": "x"},
            ):
                assert (await client.post(SIMULATE, json=invalid)).status_code == 400
            sms = await _wait_for_sms(client)
            assert sms.startswith(f"{sms[:5]} deploy wants to run push_release_tag: environment=production")
            wrong = await client.post(SIMULATE, json={"from": "bob", "text": "A9B8C ok"})
            assert "No request that you were asked about has the code A9B8C." in wrong.json()["reply"]
            answered = await client.post(SIMULATE, json={"from": PHONE_NUMBERS["bob"], "text": f"{sms[:5]} ok"})
            assert answered.json() == {"reply": f"{sms[:5]}: approved by you."}
        await alice.wait_for_reply("production is now v1.4.0")


async def _wait_for_sms(client: httpx2.AsyncClient) -> str:
    """Return the text that Bob's phone would have shown, from the log of the newest thread."""
    [thread, *_] = (await client.get("/v1/threads")).json()["threads"]
    path = f"/v1/threads/{thread['id']}/events"
    async with client.stream("GET", path, headers={"Accept": "text/event-stream"}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:") and '"text"' in line and '"sms:' in line:
                receipt = httpx2.Response(200, content=line.removeprefix("data:")).json()["data"].get("receipt", {})
                if receipt.get("text"):
                    return str(receipt["text"])
    raise AssertionError("the stream has ended")
