"""`handrail up` and `handrail doctor` with channels of other distributions."""

import os

import httpx

from tests.harness.cli import ROOT
from tests.harness.installed_channels import PAGER_SOURCE, install_channel

PATH = "/channels/pager/messages"


def test_installed_channel_takes_messages_and_replies(folder):
    site = folder.path / "site"
    install_channel(site, "pager", PAGER_SOURCE)
    install_channel(site, "broken", "raise RuntimeError('no battery')")
    search_path = {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, site)))}
    with (
        folder.running_server(**search_path) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client,
    ):
        assert '"action": "channel_not_started", "channel": "broken"' in server.process.output
        page, headers = {"from": "ward7", "id": "1", "text": "what is deployed"}, {"X-Pager": "secret"}
        assert client.post(PATH, json=page).status_code == 401
        assert client.post(PATH, content=b"{", headers=headers).status_code == 400
        outcomes = [client.post(PATH, json=page, headers=headers).json()["outcome"] for _ in range(2)]
        assert outcomes == ["opened", "duplicate"]
        server.process.wait_for_output("pager:ward7: production is")
        assert client.get("/readyz").json()["checks"]["channel:pager"]["ok"] is True
        found = {finding["name"]: finding for finding in server.folder.run("doctor", "--json", **search_path).json}
    assert found["pager"]["told"] == f"answers at http://localhost:{server.port}"
    assert found["broken"]["state"] == "problem"
