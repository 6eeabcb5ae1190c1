"""What Slack refuses about the blocks of a message or a view, written down once more, independently of our code."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.fakes.slack.message import Json, texts
from tests.fakes.slack.refused import Refused

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
MARKDOWN_IN_SUM = 12_000
EVERYTHING_IN_SUM = 13_200
_KNOWN = {
    "actions", "context", "divider", "header", "image", "input", "markdown", "rich_text", "section", "table", "video",
}  # fmt: skip
_BLOCK_TEXTS = {"section": 3000, "header": 150}
_ELEMENTS = {"actions": 25, "context": 10}
_CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
_OPTIONS = 100
_PLAIN = ("plain_text",)
_ANY_TEXT = ("plain_text", "mrkdwn")
_STYLES = (None, "primary", "danger")


def check_blocks(
    blocks: Any, *, most: int = MESSAGE_BLOCKS, where: str = "/blocks", error: str = "invalid_blocks"
) -> None:
    """Raises Refused as Slack does."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise Refused(f"{error}_format")
    if wrong := list(_broken(blocks, most, where)):
        raise Refused(error, *wrong)
    markdown = sum(len(block.get("text", "")) for block in blocks if block.get("type") == "markdown")
    if markdown > MARKDOWN_IN_SUM or sum(map(len, texts(blocks))) > EVERYTHING_IN_SUM:
        raise Refused("msg_blocks_too_long")


def check_length(value: str | None, limit: int, where: str) -> Iterator[str]:
    """One complaint, or none."""
    if value is not None and len(value) > limit:
        yield f"must be less than {limit + 1} characters [json-pointer:{where}]"


def _broken(blocks: list[Json], most: int, where: str) -> Iterator[str]:
    if len(blocks) > most:
        yield f"no more than {most} items allowed [json-pointer:{where}]"
    for index, block in enumerate(blocks):
        yield from _broken_block(block, f"{where}/{index}")
    yield from _repeated([block.get("block_id") for block in blocks], "block_id", where)


def _broken_block(block: Json, where: str) -> Iterator[str]:
    kind = block.get("type")
    if kind not in _KNOWN:
        yield f"unsupported type: {kind} [json-pointer:{where}/type]"
        return
    yield from check_length(block.get("block_id"), 255, f"{where}/block_id")
    if kind in _BLOCK_TEXTS:
        yield from _broken_words(block, _BLOCK_TEXTS[kind], where)
    if kind in _ELEMENTS:
        yield from _broken_elements(block.get("elements", []), _ELEMENTS[kind], f"{where}/elements")
    for name in ("accessory", "element"):
        if name in block:
            yield from _broken_element(block[name], f"{where}/{name}")


def _broken_words(block: Json, limit: int, where: str) -> Iterator[str]:
    if "text" not in block and not block.get("fields"):
        yield f"missing required field: text [json-pointer:{where}]"
    if "text" in block:
        yield from _broken_text(
            block["text"], limit, f"{where}/text", _PLAIN if block["type"] == "header" else _ANY_TEXT
        )
    if len(fields := block.get("fields", [])) > 10:
        yield f"no more than 10 items allowed [json-pointer:{where}/fields]"
    for index, text in enumerate(fields):
        yield from _broken_text(text, 2000, f"{where}/fields/{index}", _ANY_TEXT)


def _broken_text(text: Any, limit: int, where: str, kinds: tuple[str, ...] = _PLAIN) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        yield f"must be an object of {' or '.join(kinds)} [json-pointer:{where}]"
    elif not text.get("text"):
        yield f"must be more than 0 characters [json-pointer:{where}/text]"
    else:
        yield from check_length(text["text"], limit, f"{where}/text")


def _broken_elements(elements: list[Json], most: int, where: str) -> Iterator[str]:
    if not elements:
        yield f"no fewer than 1 items allowed [json-pointer:{where}]"
    if len(elements) > most:
        yield f"no more than {most} items allowed [json-pointer:{where}]"
    for index, element in enumerate(elements):
        yield from _broken_element(element, f"{where}/{index}")
    yield from _repeated([element.get("action_id") for element in elements], "action_id", where)


def _broken_element(element: Json, where: str) -> Iterator[str]:
    yield from check_length(element.get("action_id"), 255, f"{where}/action_id")
    yield from check_length(element.get("url"), 3000, f"{where}/url")
    if element.get("type") == "button":
        yield from _broken_text(element.get("text"), 75, f"{where}/text")
        yield from check_length(element.get("value"), 2000, f"{where}/value")
        if element.get("style") not in _STYLES:
            yield f"must be a valid style [json-pointer:{where}/style]"
    for name, limit in _CONFIRM.items():
        yield from check_length(element.get("confirm", {}).get(name, {}).get("text"), limit, f"{where}/confirm/{name}")
    yield from _broken_options(element.get("options", []), f"{where}/options")


def _broken_options(options: list[Json], where: str) -> Iterator[str]:
    if len(options) > _OPTIONS:
        yield f"no more than {_OPTIONS} items allowed [json-pointer:{where}]"
    for index, option in enumerate(options):
        yield from _broken_text(option.get("text"), 75, f"{where}/{index}/text")
        yield from check_length(option.get("value"), 150, f"{where}/{index}/value")


def _repeated(ids: list[str | None], name: str, where: str) -> Iterator[str]:
    for value, count in Counter(ids).items():
        if value is not None and count > 1:
            yield f'{name} "{value}" already exists [json-pointer:{where}]'
