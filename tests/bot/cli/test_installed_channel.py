"""`handrail` with channels of other distributions."""

import os
from collections.abc import Mapping

import httpx2
import pytest

from tests.harness.cli import ROOT, CliFolder
from tests.harness.installed_channels import PAGER_SOURCE, install_channel

PATH = "/channels/pager/messages"
PEOPLE = """\
[people.alice]
name = "Alice"
roles = ["*"]
pager = "ward7"
"""
WEBHOOK = """\
[[webhooks]]
name = "alerts"
profile = "generic"
secret_env = "ALERTS_SECRET"
reply_to = "{}"
"""


@pytest.fixture
def search_path(folder: CliFolder) -> Mapping[str, str]:
    """Return the variable for a process in which a pager channel and a broken channel are installed."""
    site = folder.path / "site"
    install_channel(site, "pager", PAGER_SOURCE)
    install_channel(site, "broken", "raise RuntimeError('no battery')")
    return {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, site)))}


def test_installed_channel_takes_messages_and_replies(folder, search_path):
    (folder.path / "handrail.toml").write_text(PEOPLE)
    with (
        folder.running_server(**search_path) as server,
        httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client,
    ):
        assert '"action": "channel_not_started", "channel": "broken"' in server.process.output
        page, headers = {"from": "ward7", "id": "1", "text": "what is deployed"}, {"X-Pager": "secret"}
        assert client.post(PATH, json=page).status_code == 401
        assert client.post(PATH, content=b"{", headers=headers).status_code == 400
        outcomes = [client.post(PATH, json=page, headers=headers).json()["outcome"] for _ in range(2)]
        assert outcomes == ["opened", "duplicate"]
        server.process.wait_for_output("pager:ward7: production is")
        assert client.get("/readyz").json()["checks"]["channel:pager"]["ok"] is True
        run = server.folder.run
        assert [thread["requester"] for thread in run("threads", "list", "--json", **search_path).json] == [
            "person:alice"
        ]
        found = {finding["name"]: finding for finding in run("doctor", "--json", **search_path).json}
    assert found["pager"]["told"] == f"answers at http://localhost:{server.port}"
    assert found["broken"]["state"] == "problem"


@pytest.mark.parametrize(
    ("address", "mistake"),
    [
        ("pager:ward7", None),
        ("broken:any", None),
        ("pager:WARD", 'webhooks[0].reply_to: must be written like "pager:ward7" (found "pager:WARD")'),
        ("fax:1", 'webhooks[0].reply_to: "fax" is not a type of address'),
    ],
)
def test_addresses_of_installed_channels_are_checked(folder, search_path, address, mistake):
    (folder.path / "handrail.toml").write_text(PEOPLE + WEBHOOK.format(address))
    checked = folder.run("config", "check", **search_path)
    assert checked.exit_code == (0 if mistake is None else 1)
    assert (mistake or "no mistakes") in checked.out + checked.err
