"""The documentation page works without any other host."""

import re
from html.parser import HTMLParser

from tests.harness.api import ApiHarness


class LinkCollector(HTMLParser):
    """Parser that collects the addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


async def test_documentation_loads_nothing_from_other_hosts(api: ApiHarness) -> None:
    page = await api.client(None).get("/docs")
    assert page.status_code == 200
    collector = LinkCollector()
    collector.feed(page.text)
    assert len(collector.addresses) >= 3
    for address in collector.addresses:
        assert address.startswith("/")
        assert not address.startswith("//")
        assert (await api.client(None).get(address)).status_code == 200
    assert not re.search(r"https?://", page.text.replace("http://www.w3.org", ""))
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
