"""Tests of commands: patterns from TOML that map texts to steps."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agents.core.commands import MAX_COMMAND_LENGTH, Command, Commands, fill_slots, normalize
from agents.core.errors import ConfigurationError
from agents.registry import load_registry

AGENTS = load_registry().agents

SLOT_VALUES = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=12)
PATTERN_WORDS = st.from_regex(r"[a-zA-Zäöü'(){}\[\].*+^$|\\-]{1,8}", fullmatch=True).filter(
    lambda word: "{" not in word
)
POLITE_PREFIXES = ["please", "could you", "can you", "hey", "hi", "Hey,", "hi, can you please"]


def command(*say: str, **step: object) -> Command:
    return Command(say=say, does="something", step=step)


def commands(*of: Command) -> Commands:
    return Commands(commands=of)


DEPLOY_COMMANDS = commands(
    command(
        "deploy {tag} to {environment}", "ship {tag} to {environment}", intent="push", tag="{tag}", to="{environment}"
    ),
    command("list {limit:int} commits", intent="list", limit="{limit:int}"),
    command("list commits", intent="list", limit=10),
)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("deploy v1.2 to production", {"intent": "push", "tag": "v1.2", "to": "production"}),
        ("DEPLOY V1.2 TO Production", {"intent": "push", "tag": "V1.2", "to": "Production"}),
        ("ship v1 to staging", {"intent": "push", "tag": "v1", "to": "staging"}),
        ("  deploy\tv1.2   to\nproduction  ", {"intent": "push", "tag": "v1.2", "to": "production"}),
        ("please deploy v1.2 to production!", {"intent": "push", "tag": "v1.2", "to": "production"}),
        ("list 5 commits", {"intent": "list", "limit": 5}),
        ("list 007 commits", {"intent": "list", "limit": 7}),
        ("list commits", {"intent": "list", "limit": 10}),
    ],
)
def test_matched_text_gives_a_step_with_typed_values(text: str, step: dict) -> None:
    match = DEPLOY_COMMANDS.match(text)
    assert match is not None
    assert match.step == step


@pytest.mark.parametrize(
    "text",
    [
        "",
        "deploy",
        "deploy v1.2",
        "deploy v1 v2 to production",
        "deploy v1 to production now",
        "now deploy v1 to production",
        "list five commits",
        "list -5 commits",
        "list 5.0 commits",
        "listcommits",
        "list 5commits",
        "deployv1toproduction",
        "list " + "9" * 16 + " commits",
        "list " + "9" * 5000 + " commits",
    ],
)
def test_partial_match_is_not_a_command(text: str) -> None:
    assert DEPLOY_COMMANDS.match(text) is None


def test_first_matching_command_wins() -> None:
    first, second = command("go {where}", intent="first"), command("go home", intent="second")
    assert commands(first, second).match("go home").command is first
    assert commands(second, first).match("go home").command is second


@pytest.mark.parametrize("before", POLITE_PREFIXES)
@pytest.mark.parametrize("after", ["", ".", "!", "?", " ...", "?!"])
def test_polite_prefixes_and_punctuation_are_ignored(before: str, after: str) -> None:
    match = DEPLOY_COMMANDS.match(f"{before} list commits{after}")
    assert match is not None
    assert match.step["limit"] == 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please, could you deploy it?", "deploy it"),
        ("hi there", "there"),
        ("high there", "high there"),
        ("pleased", "pleased"),
        ("v1.2.", "v1.2"),
        ("...", ""),
        ("hey hey hey you", "you"),
    ],
)
def test_normalize_removes_prefixes_and_punctuation(text: str, expected: str) -> None:
    assert normalize(text) == expected


@given(st.text() | st.lists(st.sampled_from([*POLITE_PREFIXES, " ", ".", "!", "go", ","])).map(" ".join))
def test_normalize_is_idempotent(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    assert once == once.strip()
    assert "  " not in once


patterns = st.lists(
    st.tuples(PATTERN_WORDS, st.booleans(), SLOT_VALUES, st.integers(0, 10**15 - 1)), min_size=1, max_size=4
)


@given(patterns)
def test_matching_a_filled_pattern_returns_its_values(parts) -> None:
    slots = [f"s{n}:int" if is_number else f"s{n}" for n, (_, is_number, _, _) in enumerate(parts)]
    pattern = " ".join(f"{literal} {{{slot}}}" for (literal, *_), slot in zip(parts, slots, strict=True))
    values = [number if is_number else word for _, is_number, word, number in parts]
    text = " ".join(f"{literal} {value}" for (literal, *_), value in zip(parts, values, strict=True))
    assume(normalize(text) == text)
    match = commands(command(pattern, **{f"s{n}": f"{{s{n}}}" for n in range(len(parts))})).match(text)
    assert match is not None
    assert match.step == {f"s{n}": value for n, value in enumerate(values)}


@given(st.text())
def test_any_text_matches_a_command_or_none(text: str) -> None:
    for agent in AGENTS:
        match = agent.commands.match(text)
        assert match is None or "intent" in match.step


@given(st.text(st.sampled_from("0123456789 list commits٣"), max_size=40))
def test_number_slots_match_only_exact_json_numbers(text: str) -> None:
    match = DEPLOY_COMMANDS.match(f"list {text} commits")
    assert match is None or abs(match.step["limit"]) < 2**53


@pytest.mark.parametrize(
    ("template", "values", "result"),
    [
        ("{tag}", {"tag": "v1"}, "v1"),
        ("{limit:int}", {"limit": 5}, 5),
        ("{limit}", {"limit": 5}, 5),
        ("{limit} of {tag}", {"limit": 5, "tag": "v1"}, "5 of v1"),
        ("{other}", {"tag": "v1"}, "{other}"),
        ("{tag}", {"tag": "{tag}"}, "{tag}"),
        ("{a}{b}", {"a": "{b}", "b": "x"}, "{b}x"),
        (10, {"tag": "v1"}, 10),
        ("", {}, ""),
    ],
)
def test_template_is_filled_once_and_keeps_the_type(template, values, result) -> None:
    assert fill_slots(template, values) == result


# commands.toml


def test_commands_are_read_from_toml() -> None:
    read = Commands.parse(
        """
        [[commands]]
        say = ["go {where}"]
        does = "goes"
        step = { intent = "go", where = "{where}" }
        """
    )
    (only,) = read.commands
    assert (only.say, only.does, only.reply, only.answered) == (("go {where}",), "goes", "{summary}", None)


def test_empty_file_has_no_commands() -> None:
    assert Commands.parse("").match("anything") is None


VALID_COMMAND = 'say = ["go"]\ndoes = "goes"\nstep = { intent = "go" }\n'


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("[[commands]\n", "line 1"),
        ("x = 1", "x"),
        ("[[command]]\n" + VALID_COMMAND, "command"),
        ("[[commands]]\n" + VALID_COMMAND + "unknown = 1", "commands.0.unknown"),
        ("[[commands]]\n" + VALID_COMMAND.replace('["go"]', "[]"), "commands.0.say"),
        ("[[commands]]\n" + VALID_COMMAND.replace('["go"]', '"go"'), "commands.0.say"),
        ("[[commands]]\n" + VALID_COMMAND.replace('"goes"', "5"), "commands.0.does"),
        ("[[commands]]\n" + VALID_COMMAND.replace("step", "steps"), "commands.0.step"),
        ("commands = 5", "commands"),
        ("x = " + "9" * 5000, ""),
        ("x = " + "[" * 5000, ""),
    ],
    ids=lambda value: value[:20],
)
def test_parse_error_names_the_place(toml: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^commands\.toml: ") as error:
        Commands.parse(toml)
    assert expected in str(error.value)


@given(st.text() | st.text(st.sampled_from('[]{}="\ncommandssaystep1.-:T')) | st.text().map(VALID_COMMAND.__add__))
def test_any_text_is_commands_or_a_configuration_error(text: str) -> None:
    try:
        read = Commands.parse(text)
    except ConfigurationError:
        return
    assert all(c.say for c in read.commands)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_shipped_patterns_have_all_slots_of_their_step(agent) -> None:
    for one in agent.commands.commands:
        wanted = set(re.findall(r"\{(\w+)", " ".join(str(value) for value in one.step.values())))
        for pattern in one.say:
            assert wanted <= set(re.findall(r"\{(\w+)", pattern)), pattern


@pytest.mark.parametrize("separator", ["/", "-", ", then "])
def test_slot_ends_at_the_text_after_it(separator: str) -> None:
    match = commands(command(f"open {{first}}{separator}{{second}}", intent="open")).match(f"open one{separator}two")
    assert match is not None
    assert match.values == {"first": "one", "second": "two"}


def test_adjacent_slots_are_rejected() -> None:
    with pytest.raises(ValueError, match="put a space or a word between two slots"):
        command("open {first}{second}", intent="open")


def test_message_above_the_length_limit_is_not_a_command() -> None:
    assert DEPLOY_COMMANDS.match(f"deploy {'v' * (MAX_COMMAND_LENGTH - 21)} to production") is not None
    assert DEPLOY_COMMANDS.match(f"deploy {'v' * (MAX_COMMAND_LENGTH - 20)} to production") is None
