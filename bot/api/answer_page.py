"""Page behind the link in a message, with which one person answers one request (ADR 0034).

GET, HEAD and OPTIONS change nothing. An answer is a POST of the page's form, with a token that belongs to a cookie of
the same browser, by a person who is signed in or types in the code of the request.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from agents.core.cards import allowed_choices, render_card
from agents.core.errors import AlreadySettled, Permanent, Retryable, StaleApproval
from agents.core.messages import Assurance
from agents.core.requests import Decision
from agents.core.requests import Request as HumanRequest
from agents.core.values import Address
from bot.api.answer_form import cookie_name, origin_of, parse_form
from bot.api.answer_page_html import (
    CONTENT_SECURITY_POLICY,
    MAX_COMMENT_LENGTH,
    AnswerForm,
    AnswerPageView,
    describe_time,
    render_message,
    render_page,
)
from bot.api.errors import status_for_error
from bot.bootstrap import Bot
from bot.log import LogEvent, log
from bot.services.answer_links import ANSWER_PATH, AnswerLinks
from bot.services.approvals import describe_recorded_answer
from channels.inbound import Arrival, InboundAnswer, Sender
from storage.answer_links import MAX_FAILED_CODES, AnswerLink

SignIn = Callable[[Request], Awaitable[Address | None]]
"""Function that returns the person who is signed in, such as `person:alice`, or None."""

METHODS = ("GET", "HEAD", "OPTIONS", "POST")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # With `no-referrer`, browsers would send `Origin: null` with the form (Fetch Standard, "append a request `Origin`
    # header"), as other sites can do, too.
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}

_UNKNOWN_LINK = "This link is unknown or has expired. Use the link in the latest message about the request."
_USED = "You have used this link; each link works once."
_LOCKED = (
    "This link is locked after too many wrong codes. Answer in another way, for example by a reply to the message that "
    "has the link."
)
_CHANGED = "The request was changed after this link was sent. A newer message shows it and has a new link."
_EXPIRED = "The time to answer is over."
_FOREIGN_FORM = "Your answer was not recorded, because this form was not opened in your browser. Please send it again."
_MALFORMED_CODE = "Your answer was not recorded. Type in the code of five characters that is in the message."
_WRONG_CODE = (
    f"Your answer was not recorded: the code is wrong. After {MAX_FAILED_CODES} wrong codes this link is locked."
)
_UNAVAILABLE = "Handrail cannot reach its database. Nothing was recorded; please try again in a moment."


async def no_session(request: Request) -> Address | None:  # noqa: ARG001 - the signature of SignIn
    """Return None: without sessions no person is signed in."""
    return None


def build_answer_routes(
    bot: Bot,
    links: AnswerLinks,
    sign_in: SignIn = no_session,
    *,
    new_nonce: Callable[[], str] = secrets.token_urlsafe,
) -> tuple[Route, ...]:
    """Return the route of the pages. `new_nonce` returns a random text for a cookie."""
    page = _AnswerPage(bot, links, sign_in, new_nonce)
    return (Route(f"{ANSWER_PATH}{{token}}", page.handle, methods=list(METHODS)),)


@dataclass(frozen=True)
class _Visit:
    """One HTTP request to the page of a link, and the state of the link's request."""

    http: Request
    link: AnswerLink
    request: HumanRequest
    is_signed_in: bool


@dataclass(frozen=True)
class _AnswerPage:
    bot: Bot
    links: AnswerLinks
    sign_in: SignIn
    new_nonce: Callable[[], str]

    async def handle(self, http: Request) -> Response:
        """Respond to all methods; errors become pages."""
        if http.method == "OPTIONS":
            return Response(status_code=204, headers={**_HEADERS, "Allow": ", ".join(METHODS)})
        try:
            link = await self.links.find(http.path_params["token"], self.bot.clock.now())
            if link is None:
                return _message_response(404, "Unknown link", _UNKNOWN_LINK)
            visit = await self._open(http, link)
            return await (self._answer(visit) if http.method == "POST" else self._show(visit))
        except Retryable as error:
            log(LogEvent.HTTP_FAILED, level="error", method=http.method, path=ANSWER_PATH, error=error)
            return _message_response(503, "Try again", _UNAVAILABLE, {"Retry-After": "1"})

    async def _open(self, http: Request, link: AnswerLink) -> _Visit:
        request = await self.bot.approvals.find_request(link.request_id)
        return _Visit(http, link, request, is_signed_in=await self.sign_in(http) == link.person)

    async def _show(self, visit: _Visit, *notices: str, status: int = 200) -> Response:
        """Return the page of the request, with the form if this link can still be used, and a cookie for the form."""
        decisions, obstacles = await self._find_decisions(visit)
        nonce = visit.http.cookies.get(cookie_name(visit.link)) or self.new_nonce()
        form = AnswerForm(
            decisions=decisions,
            form_token=self.links.form_token(visit.link, nonce),
            needs_code=not visit.is_signed_in,
            choices=allowed_choices(visit.request),
        )
        card = render_card(visit.request).card
        assert card is not None  # noqa: S101 - `render_card` always returns a card
        view = AnswerPageView(card, (*notices, *obstacles), form if decisions else None)
        response = HTMLResponse(render_page(view), status, _HEADERS)
        if decisions:
            self._set_cookie(response, visit.link, nonce)
        return response

    def _set_cookie(self, response: Response, link: AnswerLink, nonce: str) -> None:
        """Set the cookie of a link. Each link has its own, so that several pages can be open at the same time."""
        url = urlsplit(self.links.public_url)
        response.set_cookie(
            cookie_name(link),
            nonce,
            path=f"{url.path}{ANSWER_PATH}",
            secure=url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    async def _find_decisions(self, visit: _Visit) -> tuple[tuple[Decision, ...], tuple[str, ...]]:
        """Return the decisions that this person may make here now, and why there are no others."""
        if (obstacle := _obstacle(visit)) is not None:
            return (), (obstacle,)
        if visit.request.kind == "question":
            return await self._filter_allowed(visit, ("answer",))
        if visit.request.digest != visit.link.digest:
            decisions, obstacles = await self._filter_allowed(visit, ("deny",))
            return decisions, (_CHANGED, *obstacles)
        decisions, obstacles = await self._filter_allowed(visit, ("approve", "deny"))
        card = render_card(visit.request).card
        if card is not None and card.is_truncated:
            text = (
                f"Run `handrail requests show {visit.request.id}` to read the complete request before you approve it."
            )
            return tuple(one for one in decisions if one != "approve"), (text, *obstacles)
        return decisions, obstacles

    async def _filter_allowed(
        self, visit: _Visit, decisions: Sequence[Decision]
    ) -> tuple[tuple[Decision, ...], tuple[str, ...]]:
        allowed, obstacles = list[Decision](), dict[str, None]()
        for decision in decisions:
            refusal = await self.bot.receiver.check_answer(self._to_answer(visit, decision))
            if refusal is None:
                allowed.append(decision)
            else:
                obstacles[_describe_refusal(refusal.error)] = None
        return tuple(allowed), tuple(obstacles)

    async def _answer(self, visit: _Visit) -> Response:
        """Check the form and the code, and record the answer."""
        fields = parse_form(visit.http.headers.get("content-type", ""), await visit.http.body())
        if fields is None or not self._is_own_form(visit, fields.get("form_token", "")):
            return await self._show(visit, _FOREIGN_FORM, status=403)
        decisions, _ = await self._find_decisions(visit)
        decision = next((one for one in decisions if one == fields.get("decision")), None)
        if decision is None:
            return await self._show(visit, "Your answer was not recorded.", status=409)
        if not visit.is_signed_in and (problem := await self._code_problem(visit, fields.get("code", ""))):
            return await self._show_again(visit, problem, status=403)
        return await self._record(visit, decision, fields)

    async def _record(self, visit: _Visit, decision: Decision, fields: dict[str, str]) -> Response:
        answer = self._to_answer(visit, decision, fields)
        try:
            commit = await self.bot.receiver.record_answer(
                visit.request, answer, claim=None, extra_writes=self.links.mark_used(visit.link)
            )
        except Permanent as error:
            notice = f"Your answer was not recorded. {_describe_refusal(error)}"
            return await self._show_again(visit, notice, status=status_for_error(error))
        return await self._show_again(
            visit, describe_recorded_answer(commit, visit.request.id) or "Your answer was recorded."
        )

    async def _show_again(self, visit: _Visit, notice: str, status: int = 200) -> Response:
        """Return the page with the current state of the link and of its request."""
        link = await self.links.find(visit.http.path_params["token"], self.bot.clock.now())
        return await self._show(await self._open(visit.http, link or visit.link), notice, status=status)

    def _is_own_form(self, visit: _Visit, form_token: str) -> bool:
        """Return whether the form comes from this page in the same browser: its Origin, and the token of its cookie."""
        origin = visit.http.headers.get("origin")
        nonce = visit.http.cookies.get(cookie_name(visit.link))
        if nonce is None or origin not in (None, origin_of(self.links.public_url)):
            return False
        return compare_digest(self.links.form_token(visit.link, nonce).encode(), form_token.encode())

    async def _code_problem(self, visit: _Visit, code: str) -> str | None:
        """Return why the typed code is not accepted; None if it is. A wrong code is counted."""
        match await self.links.check_code(visit.link, visit.request, code):
            case "right":
                return None
            case "malformed":
                return _MALFORMED_CODE
            case "wrong":
                return _WRONG_CODE
            case "locked":
                return "Your answer was not recorded."

    def _to_answer(self, visit: _Visit, decision: Decision, fields: dict[str, str] | None = None) -> InboundAnswer:
        link, given = visit.link, fields or {}
        arrival = Arrival(link.address.scheme, (), Sender((link.person,)), link.address, self.bot.clock.now())
        return InboundAnswer(
            arrival=arrival,
            request=link.request_id,
            decision=decision,
            assurance=Assurance.HIGH if visit.is_signed_in else link.assurance,
            comment=given.get("comment", "").strip()[:MAX_COMMENT_LENGTH] or None if decision != "answer" else None,
            text=given.get("text") if decision == "answer" else None,
            shown_digest=None if decision == "deny" else link.digest,  # denying always works
            was_shown=True,
        )


def _obstacle(visit: _Visit) -> str | None:
    """Return why the request cannot be answered by this link any more, None if it can."""
    request, link = visit.request, visit.link
    if request.status != "open":
        return _describe_outcome(request)
    if link.used_at is not None:
        return _USED
    if link.is_locked:
        return _LOCKED
    return _CHANGED if request.digest != link.digest and request.kind == "question" else None


def _describe_outcome(request: HumanRequest) -> str:
    """Return how the request ended, who decided it and when."""
    card = render_card(request).card
    at = f", {describe_time(request.settled_at)}" if request.settled_at else ""
    return f"This request is settled: {card.outcome if card else request.status}{at}."


def _describe_refusal(error: Permanent) -> str:
    """Return the reason of a refusal, without the code of the request."""
    match error:
        case AlreadySettled(details=HumanRequest() as request):
            return _describe_outcome(request)
        case AlreadySettled():
            return _EXPIRED
        case StaleApproval():
            return _CHANGED
        case _:
            text = str(error).removesuffix(".")
            return f"{text[:1].upper()}{text[1:]}."


def _message_response(status: int, title: str, text: str, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(render_message(title, text), status, {**_HEADERS, **(headers or {})})
