"""Slack's limits for the blocks of messages and views, implemented independently of the product code."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.message import Json, iter_texts

MAX_MESSAGE_BLOCKS = 50
MAX_VIEW_BLOCKS = 100
MAX_MARKDOWN_CHARACTERS = 12_000
MAX_TOTAL_CHARACTERS = 13_200
_BLOCK_TYPES = {
    "actions", "context", "divider", "header", "image", "input", "markdown", "rich_text", "section", "table", "video",
}  # fmt: skip
_MAX_BLOCK_TEXT = {"section": 3000, "header": 150}
_MAX_ELEMENTS = {"actions": 25, "context": 10}
_MAX_CONFIRM_TEXT = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
_MAX_OPTIONS = 100
_PLAIN = ("plain_text",)
_ANY_TEXT = ("plain_text", "mrkdwn")
_STYLES = (None, "primary", "danger")


def check_blocks(
    blocks: Any, *, max_blocks: int = MAX_MESSAGE_BLOCKS, pointer: str = "/blocks", error: str = "invalid_blocks"
) -> None:
    """Raise ApiError if Slack would reject the blocks."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise ApiError(f"{error}_format")
    if violations := list(_block_list_violations(blocks, max_blocks, pointer)):
        raise ApiError(error, *violations)
    markdown = sum(len(block.get("text", "")) for block in blocks if block.get("type") == "markdown")
    if markdown > MAX_MARKDOWN_CHARACTERS or sum(map(len, iter_texts(blocks))) > MAX_TOTAL_CHARACTERS:
        raise ApiError("msg_blocks_too_long")


def check_length(value: str | None, limit: int, pointer: str) -> Iterator[str]:
    """Yield a violation if the value is too long."""
    if value is not None and len(value) > limit:
        yield f"must be less than {limit + 1} characters [json-pointer:{pointer}]"


def _block_list_violations(blocks: list[Json], max_blocks: int, pointer: str) -> Iterator[str]:
    if len(blocks) > max_blocks:
        yield f"no more than {max_blocks} items allowed [json-pointer:{pointer}]"
    for index, block in enumerate(blocks):
        yield from _block_violations(block, f"{pointer}/{index}")
    yield from _duplicate_id_violations([block.get("block_id") for block in blocks], "block_id", pointer)


def _block_violations(block: Json, pointer: str) -> Iterator[str]:
    kind = block.get("type")
    if kind not in _BLOCK_TYPES:
        yield f"unsupported type: {kind} [json-pointer:{pointer}/type]"
        return
    yield from check_length(block.get("block_id"), 255, f"{pointer}/block_id")
    if kind in _MAX_BLOCK_TEXT:
        yield from _block_text_violations(block, _MAX_BLOCK_TEXT[kind], pointer)
    if kind in _MAX_ELEMENTS:
        yield from _element_list_violations(block.get("elements", []), _MAX_ELEMENTS[kind], f"{pointer}/elements")
    for name in ("accessory", "element"):
        if name in block:
            yield from _element_violations(block[name], f"{pointer}/{name}")


def _block_text_violations(block: Json, limit: int, pointer: str) -> Iterator[str]:
    if "text" not in block and not block.get("fields"):
        yield f"missing required field: text [json-pointer:{pointer}]"
    if "text" in block:
        yield from _text_violations(
            block["text"], limit, f"{pointer}/text", _PLAIN if block["type"] == "header" else _ANY_TEXT
        )
    if len(fields := block.get("fields", [])) > 10:
        yield f"no more than 10 items allowed [json-pointer:{pointer}/fields]"
    for index, text in enumerate(fields):
        yield from _text_violations(text, 2000, f"{pointer}/fields/{index}", _ANY_TEXT)


def _text_violations(text: Any, limit: int, pointer: str, kinds: tuple[str, ...] = _PLAIN) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        yield f"must be an object of {' or '.join(kinds)} [json-pointer:{pointer}]"
    elif not text.get("text"):
        yield f"must be more than 0 characters [json-pointer:{pointer}/text]"
    else:
        yield from check_length(text["text"], limit, f"{pointer}/text")


def _element_list_violations(elements: list[Json], max_elements: int, pointer: str) -> Iterator[str]:
    if not elements:
        yield f"no fewer than 1 items allowed [json-pointer:{pointer}]"
    if len(elements) > max_elements:
        yield f"no more than {max_elements} items allowed [json-pointer:{pointer}]"
    for index, element in enumerate(elements):
        yield from _element_violations(element, f"{pointer}/{index}")
    yield from _duplicate_id_violations([element.get("action_id") for element in elements], "action_id", pointer)


def _element_violations(element: Json, pointer: str) -> Iterator[str]:
    yield from check_length(element.get("action_id"), 255, f"{pointer}/action_id")
    yield from check_length(element.get("url"), 3000, f"{pointer}/url")
    if element.get("type") == "button":
        yield from _text_violations(element.get("text"), 75, f"{pointer}/text")
        yield from check_length(element.get("value"), 2000, f"{pointer}/value")
        if element.get("style") not in _STYLES:
            yield f"must be a valid style [json-pointer:{pointer}/style]"
    for name, limit in _MAX_CONFIRM_TEXT.items():
        yield from check_length(
            element.get("confirm", {}).get(name, {}).get("text"), limit, f"{pointer}/confirm/{name}"
        )
    yield from _option_violations(element.get("options", []), f"{pointer}/options")


def _option_violations(options: list[Json], pointer: str) -> Iterator[str]:
    if len(options) > _MAX_OPTIONS:
        yield f"no more than {_MAX_OPTIONS} items allowed [json-pointer:{pointer}]"
    for index, option in enumerate(options):
        yield from _text_violations(option.get("text"), 75, f"{pointer}/{index}/text")
        yield from check_length(option.get("value"), 150, f"{pointer}/{index}/value")


def _duplicate_id_violations(ids: list[str | None], name: str, pointer: str) -> Iterator[str]:
    for value, count in Counter(ids).items():
        if value is not None and count > 1:
            yield f'{name} "{value}" already exists [json-pointer:{pointer}]'
