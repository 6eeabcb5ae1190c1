"""The page behind a link shows one request to one person, who answers by its form with the code or a session."""

import asyncio
import io
import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from hypothesis import given
from hypothesis import strategies as st

from agents.core.cards import render_card
from agents.core.messages import Assurance, Card, CardField, Explanation
from agents.core.requests import Request
from agents.core.values import Address, person_address
from bot.api.answer_page import build_answer_routes
from bot.api.answer_page_html import AnswerForm, AnswerPageView, render_page
from bot.log import configure_logging
from storage.answer_links import MAX_FAILED_CODES
from storage.requests import load_request
from tests.harness.api import ApiHarness
from tests.harness.people import BOB, CAROL

WRONG_CODE = "ZZZZZ"
SCANNER_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass
class FoundForm(HTMLParser):
    """The form of a page: its fields with their values, and its buttons that are not disabled."""

    page: str
    tags: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag in ("input", "textarea") and values.get("type") != "radio":
            self.fields[str(values["name"])] = values.get("value") or ""
        if tag == "button" and "disabled" not in values:
            self.buttons.append(str(values["value"]))


@dataclass
class Reader:
    """A browser that opens the link of a card."""

    api: ApiHarness
    url: str
    client: AsyncClient

    async def open(self) -> Response:
        return await self.client.get(self.url)

    async def send_form(self, decision: str, code: str = "", **changed: Any) -> Response:
        form = FoundForm((await self.open()).text)
        headers = changed.pop("headers", {"Origin": "http://handrail"})
        return await self.client.post(
            self.url, data={**form.fields, "decision": decision, "code": code, **changed}, headers=headers
        )


async def load(api: ApiHarness, request: dict[str, Any]) -> Request:
    return await api.bot.engine.database.read(lambda connection: load_request(connection, request["id"]))


async def open_reader(
    api: ApiHarness, request: dict[str, Any], person: Address = BOB, assurance: Assurance = Assurance.MEDIUM
) -> Reader:
    assert api.bot.answer_links is not None
    card = render_card(await load(api, request)).card
    assert card is not None
    to = Address(f"email:{person.id}@example.com")
    now = api.bot.clock.now()
    url = await api.bot.answer_links.create(card, to, person, assurance, f"t:{person}:{assurance}", now)
    return Reader(api, url, api.client(None))


async def decided(api: ApiHarness, request: dict[str, Any]) -> str:
    return (await load(api, request)).status


async def test_page_shows_the_request_without_its_code(api: ApiHarness) -> None:
    request = await api.open_request("push <b>v1</b>")
    response = await (await open_reader(api, request)).open()
    assert response.status_code == 200
    text = unescape(response.text)
    assert "porter wants to run push" in text
    assert "<dd>&lt;b&gt;v1&lt;/b&gt;</dd>" in response.text
    assert "Asked for by Alice." in text
    assert "Can be decided by release (Bob, Carol)." in text
    assert request["code"] not in response.text.upper()
    assert FoundForm(response.text).buttons == ["approve", "deny"]


async def test_headers_forbid_scripts_frames_and_storage(api: ApiHarness) -> None:
    response = await (await open_reader(api, await api.open_request())).open()
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'; frame-ancestors 'none'" in policy
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "same-origin"
    cookie = response.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/a/"))
    assert "Secure" not in cookie
    assert not {"script", "a", "img", "iframe", "link"} & set(FoundForm(response.text).tags)


async def test_approval_with_the_typed_code_has_the_assurance_of_the_link(api: ApiHarness) -> None:
    request = await api.open_request()
    reader = await open_reader(api, request)
    response = await reader.send_form("approve", f" {request['code'].lower()} ", comment="looks good")
    assert response.status_code == 200
    assert "Your answer was recorded." in response.text
    assert "approved by Bob (email): looks good" in response.text
    answer = (await load(api, request)).answers[0]
    assert (answer.by, answer.channel, answer.assurance) == (BOB, "email:bob@example.com", Assurance.MEDIUM)


async def test_denial_is_recorded_with_its_comment(api: ApiHarness) -> None:
    request = await api.open_request()
    await (await open_reader(api, request)).send_form("deny", request["code"], comment="wrong tag")
    assert (await load(api, request)).answers[0].comment == "wrong tag"
    assert await decided(api, request) == "denied"


@pytest.mark.parametrize("method", SCANNER_METHODS)
async def test_reading_decides_nothing_and_keeps_the_link(api: ApiHarness, method: str) -> None:
    request = await api.open_request()
    reader = await open_reader(api, request)
    for query in ("", f"?decision=approve&code={request['code']}"):
        response = await reader.client.request(method, reader.url + query, headers={"Sec-Purpose": "prefetch"})
        assert response.status_code == (204 if method == "OPTIONS" else 200)
    assert await decided(api, request) == "open"
    assert (await reader.send_form("approve", request["code"])).status_code == 200
    assert await decided(api, request) == "approved"


async def test_scanner_that_posts_every_form_decides_nothing(api: ApiHarness) -> None:
    """A scanner keeps cookies, follows the link with every method, and presses every button with some text."""
    request = await api.open_request()
    reader = await open_reader(api, request)
    for _ in range(MAX_FAILED_CODES + 1):
        for method in SCANNER_METHODS:
            await reader.client.request(method, reader.url)
        for button in FoundForm((await reader.open()).text).buttons:
            for text in ("", "test", "1"):
                assert (await reader.send_form(button, text)).status_code == 403
    assert await decided(api, request) == "open"
    assert (await load(api, request)).answers == ()
    assert (await reader.send_form("approve", request["code"])).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"form_token": ""},
        {"form_token": "x" * 43},
        {"headers": {"Origin": "https://attacker.test"}},
        {"headers": {"Origin": "null"}},
        {"headers": {"Origin": "http://handrail:8000"}},
        {"headers": {"Origin": "http://handrail", "Content-Type": "text/plain"}},
    ],
)
async def test_form_of_another_site_is_refused(api: ApiHarness, change: dict[str, Any]) -> None:
    request = await api.open_request()
    reader = await open_reader(api, request)
    response = await reader.send_form("approve", request["code"], **change)
    assert response.status_code == 403
    assert "not recorded" in response.text
    assert await decided(api, request) == "open"


async def test_form_without_the_cookie_of_its_browser_is_refused(api: ApiHarness) -> None:
    request = await api.open_request()
    reader = await open_reader(api, request)
    form = FoundForm((await reader.open()).text)
    other_browser = api.client(None)
    data = {**form.fields, "decision": "approve", "code": request["code"]}
    assert (await other_browser.post(reader.url, data=data)).status_code == 403
    await other_browser.get(reader.url)
    assert (await other_browser.post(reader.url, data=data)).status_code == 403
    assert (await reader.client.post(reader.url, data=data)).status_code == 200


async def test_pages_of_several_links_can_be_open_in_one_browser(api: ApiHarness) -> None:
    requests = [await api.open_request(f"push v{number}") for number in (1, 2)]
    readers = [await open_reader(api, request) for request in requests]
    client = api.client(None)
    forms = [FoundForm((await client.get(reader.url)).text) for reader in readers]
    for request, reader, form in zip(requests, readers, forms, strict=True):
        data = {**form.fields, "decision": "approve", "code": request["code"]}
        assert (await client.post(reader.url, data=data)).status_code == 200


async def test_five_wrong_codes_lock_the_link(api: ApiHarness) -> None:
    request = await api.open_request()
    reader = await open_reader(api, request)
    for _ in range(MAX_FAILED_CODES - 1):
        assert "the code is wrong" in (await reader.send_form("approve", WRONG_CODE)).text
    last = await reader.send_form("approve", WRONG_CODE)
    assert "locked" in last.text
    assert FoundForm(last.text).buttons == []
    assert await decided(api, request) == "open"
    data = {"decision": "approve", "code": request["code"], "form_token": "kept"}
    assert (await reader.client.post(reader.url, data=data)).status_code == 403
    assert (await (await open_reader(api, request, CAROL)).send_form("approve", request["code"])).status_code == 200


async def test_link_works_once(api: ApiHarness) -> None:
    request = await api.open_request("push gold")  # needs two approvals
    reader = await open_reader(api, request)
    form = FoundForm((await reader.open()).text)
    data = {**form.fields, "decision": "approve", "code": request["code"]}
    first = await reader.client.post(reader.url, data=data)
    assert "1 more approval is required" in first.text
    assert FoundForm(first.text).buttons == []
    second = await reader.client.post(reader.url, data={**data, "decision": "deny"})
    assert second.status_code == 409
    assert "each link works once" in second.text
    assert len((await load(api, request)).answers) == 1


async def test_two_answers_at_once_are_one(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    reader = await open_reader(api, request)
    form = FoundForm((await reader.open()).text)
    data = {**form.fields, "decision": "approve", "code": request["code"]}
    responses = await asyncio.gather(*(reader.client.post(reader.url, data=data) for _ in range(5)))
    assert {response.status_code for response in responses} <= {200, 403, 409}
    assert len((await load(api, request)).answers) == 1


async def test_code_of_another_request_is_wrong(api: ApiHarness) -> None:
    request, other = await api.open_request("push v1"), await api.open_request("push v2")
    reader = await open_reader(api, request)
    response = await reader.send_form("approve", other["code"], request=other["id"])
    assert response.status_code == 403
    assert [await decided(api, one) for one in (request, other)] == ["open", "open"]


async def test_link_answers_for_its_person_only(api: ApiHarness) -> None:
    request = await api.open_request("push v1", caller="bob")
    own = await (await open_reader(api, request, BOB)).open()
    assert FoundForm(own.text).buttons == ["deny"]
    other = await (await open_reader(api, request, person_address("dan"))).open()
    assert FoundForm(other.text).buttons == []
    assert "not allowed to decide" in other.text


async def test_weak_link_may_deny_and_says_why_it_may_not_approve(api: ApiHarness) -> None:
    request = await api.open_request()
    reader = await open_reader(api, request, assurance=Assurance.LOW)
    page = await reader.open()
    assert FoundForm(page.text).buttons == ["deny"]
    assert "approving this request requires medium" in page.text
    assert (await reader.send_form("approve", request["code"])).status_code == 409
    assert (await reader.send_form("deny", request["code"])).status_code == 200
    assert await decided(api, request) == "denied"


async def test_signed_in_person_answers_with_high_assurance_and_no_code(api: ApiHarness) -> None:
    session: list[Address] = [CAROL]

    async def sign_in(_request: object) -> Address:
        return session[0]

    request = await api.open_request()
    assert api.bot.answer_links is not None
    (route,) = build_answer_routes(api.bot, api.bot.answer_links, sign_in)
    app = api.app
    app.router.routes[:] = [one for one in app.router.routes if getattr(one, "path", "") != route.path] + [route]
    reader = await open_reader(api, request, assurance=Assurance.LOW)
    assert "code" in FoundForm((await reader.open()).text).fields  # Carol is signed in, and the link is Bob's
    session[0] = BOB
    assert "code" not in FoundForm((await reader.open()).text).fields
    assert (await reader.send_form("approve")).status_code == 200
    assert (await load(api, request)).answers[0].assurance is Assurance.HIGH


async def test_settled_request_shows_its_outcome_and_who_decided(api: ApiHarness) -> None:
    request = await api.open_request()
    reader = await open_reader(api, request)
    form = FoundForm((await reader.open()).text)
    await api.answer_request(request, "carol", decision="deny", comment="not today")
    page = await reader.open()
    assert "This request is settled: denied by Carol (web): not today, " in page.text
    assert FoundForm(page.text).buttons == []
    data = {**form.fields, "decision": "approve", "code": request["code"]}
    late = await reader.client.post(reader.url, data=data)
    assert late.status_code == 409
    assert "denied by Carol" in late.text


async def test_link_of_an_edited_request_asks_for_the_newer_message(api: ApiHarness) -> None:
    request = await api.open_request("push silver")
    reader = await open_reader(api, request)
    await api.answer_request(
        request, "carol", decision="edit", arguments={"tag": "silver", "note": "n"}, digest=request["digest"]
    )
    page = await reader.open()
    assert "was changed after this link was sent" in page.text
    assert FoundForm(page.text).buttons == ["deny"]
    assert (await reader.send_form("approve", request["code"])).status_code == 409
    assert (await reader.send_form("deny", request["code"])).status_code == 200
    assert await decided(api, request) == "denied"


@pytest.mark.parametrize(("message", "text"), [("ask", "because"), ("choose", "b")])
async def test_question_is_answered_with_a_text_or_a_choice(api: ApiHarness, message: str, text: str) -> None:
    request = await api.open_request(message)
    reader = await open_reader(api, request, person_address("alice"))
    page = await reader.open()
    assert FoundForm(page.text).buttons == ["answer"]
    assert page.text.count('type="radio"') == (2 if message == "choose" else 0)
    assert (await reader.send_form("answer", request["code"], text="")).status_code == 422
    assert (await reader.send_form("answer", request["code"], text=text)).status_code == 200
    assert (await load(api, request)).answers[0].text == text


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_link_is_not_found(api: ApiHarness, method: str) -> None:
    response = await api.client(None).request(method, "/a/unknown")
    assert response.status_code == 404
    assert "unknown or has expired" in response.text
    assert response.headers["content-type"].startswith("text/html")


async def test_unavailable_database_asks_to_try_again(api: ApiHarness) -> None:
    request = await api.open_request()
    reader = await open_reader(api, request)
    form = FoundForm((await reader.open()).text)
    await api.bot.engine.database.close()
    data = {**form.fields, "decision": "approve", "code": request["code"]}
    response = await reader.client.post(reader.url, data=data)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"


async def test_no_log_line_has_the_token(api: ApiHarness) -> None:
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    reader = await open_reader(api, await api.open_request())
    await reader.send_form("approve", WRONG_CODE)
    await api.bot.engine.database.close()
    await reader.open()
    configure_logging()
    assert "http_failed" in stream.getvalue()
    assert reader.url.rpartition("/")[2] not in stream.getvalue()


async def test_public_url_decides_origin_cookie_and_security(api: ApiHarness) -> None:
    links = api.bot.answer_links
    assert links is not None
    request = await api.open_request()
    moved = type(links)(links.database, links.signing_key, "https://Handrail.test:443/bot")
    (route,) = build_answer_routes(api.bot, moved, new_nonce=lambda: "nonce")
    reader = await open_reader(api, request)
    path = f"/a/{reader.url.rpartition('/')[2]}"
    async with AsyncClient(transport=ASGITransport(route), base_url="https://handrail.test") as client:
        page = await client.get(path)
        cookie = page.headers["set-cookie"]
        assert "Secure" in cookie
        assert "Path=/bot/a/" in cookie
        name = cookie.partition("=")[0]
        data = {**FoundForm(page.text).fields, "decision": "deny", "code": request["code"]}
        for origin, status in (("https://handrail.test.evil", 403), ("https://handrail.test", 200)):
            headers = {"Origin": origin, "Cookie": f"{name}=nonce"}
            assert (await client.post(path, data=data, headers=headers)).status_code == status


_TEXTS = st.text(max_size=60)


@given(_TEXTS, _TEXTS, _TEXTS, _TEXTS)
def test_no_text_of_a_request_becomes_markup(title: str, name: str, value: str, why: str) -> None:
    def page(one: str, two: str, three: str, four: str) -> FoundForm:
        card = Card(
            request_id="req_1",
            code="ABCDE",
            kind="question",
            status="open",
            title=one,
            fields=(CardField(name=two, value=three),),
            explanation=Explanation(why=four or "x"),
            choices=(three,),
            requester=BOB,
        )
        form = AnswerForm(("answer",), three, choices=(three,))
        return FoundForm(render_page(AnswerPageView(card, (one,), form)))

    assert page(title, name, value, why).tags == page("t", "n", "v", "w").tags


def test_enter_key_presses_no_button() -> None:
    card = Card(request_id="req_1", code="ABCDE", kind="approval", status="open", title="t", requester=BOB)
    html = render_page(AnswerPageView(card, (), AnswerForm(("approve", "deny"), "token")))
    assert re.findall(r"<button[^>]*>", html)[0] == '<button type="submit" disabled hidden>'
