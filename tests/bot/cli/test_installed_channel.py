"""`handrail` with channels of other distributions."""

import os
import re
import socket
from collections.abc import Mapping

import httpx2
import pytest

from tests.harness.cli import ROOT, CliFolder, InteractiveProcess
from tests.harness.installed_channels import LISTENING_PAGER_SOURCE, PAGER_SOURCE, install_channel
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

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


@pytest.fixture
def listening_folder(folder: CliFolder, postgres_url: str) -> CliFolder:
    """Return a folder on PostgreSQL in which a pager channel with a listener is installed."""
    install_channel(folder.path / "site", "pager", LISTENING_PAGER_SOURCE)
    (folder.path / "handrail.toml").write_text(PEOPLE)
    search_path = os.pathsep.join(map(str, (ROOT, folder.path / "site")))
    return CliFolder(folder.path, {"DATABASE_URL": postgres_url, "PYTHONPATH": search_path, "SMTP_LISTEN": ""})


def send_line(process: InteractiveProcess, text: str) -> bytes:
    """Send a line to the port that the pager listens on, and return the answer."""
    port = re.search(r"pager listens on (\d+);", process.wait_for_output("pager listens on"))
    assert port is not None
    with socket.create_connection(("127.0.0.1", int(port[1])), WAIT_TIMEOUT_SECONDS) as connection:
        connection.sendall(text.encode() + b"\n")
        return connection.makefile("rb").read()


def test_smtp_process_stores_inputs_and_a_worker_processes_them(listening_folder):
    with listening_folder.start("smtp") as smtp, listening_folder.start("web", "--port", "0") as web:
        smtp.wait_for_output("smtp receives for")
        assert [send_line(smtp, "what is deployed") for _ in range(2)] == [b"new", b"known"]
        with listening_folder.start("worker") as worker:
            worker.wait_for_output("pager:ward7: production is")
            assert worker.stop() == 0
        web.wait_for_output("Handrail is at")
        assert "pager listens" not in web.output
        assert (smtp.stop(), web.stop()) == (0, 0)


def test_single_process_listens_and_processes_inputs(listening_folder):
    with listening_folder.start("up", "--port", "0", DATABASE_URL="sqlite:///.handrail/handrail.db") as up:
        up.wait_for_output("Handrail is at")
        assert send_line(up, "what is deployed") == b"new"
        up.wait_for_output("pager:ward7: production is")
        assert up.stop() == 0


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
