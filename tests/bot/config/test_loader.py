"""Tests of `handrail.toml`: loading of valid files, and errors of invalid ones."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.core.completion import Budget
from agents.core.errors import ConfigurationError
from agents.core.messages import Assurance
from agents.core.people import Person
from agents.core.policy import ApprovalTerms, EscalationStep, Rule
from agents.core.values import Address
from agents.llm.base import Price
from agents.registry import load_registry
from bot.config.file.triggers import Schedule, Webhook
from bot.config.loader import Configuration, find_configuration_path, load_configuration

EXAMPLE_FILE = Path(__file__).parents[3] / "handrail.example.toml"
TOOLS = load_registry().argument_models
AGENTS = ("deploy", "oncall")
PEOPLE_TOML = """\
[people.alice]
name = "Alice Ng"
roles = ["release", "oncall"]
email = "alice@example.com"
[people.bob]
name = "Bob"
roles = ["oncall"]
phone = "+15550001002"
"""


def load(tmp_path: Path, text: str) -> Configuration:
    file = tmp_path / "handrail.toml"
    file.write_text(text, encoding="utf-8")
    return load_configuration(file, tools=TOOLS, agents=AGENTS)


def error_lines(tmp_path: Path, text: str) -> list[str]:
    """Return the error lines of a file, without its folder."""
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, text)
    assert str(raised.value) == "\n".join(map(str, raised.value.details))
    return [line.removeprefix(f"{tmp_path}/") for line in str(raised.value).split("\n")]


def only_error_line(tmp_path: Path, text: str) -> str:
    (line,) = error_lines(tmp_path, text)
    return line


# --- valid files ---


def test_without_a_file_one_person_may_do_everything() -> None:
    configuration = load_configuration(None, tools=TOOLS, agents=AGENTS)
    (you,) = configuration.people.members
    assert you.key == "you"
    assert you.has_role("whatever a tool asks for")
    assert you.addresses == (Address("terminal:you"), Address("web:you"))
    assert configuration.allow_self_approval
    assert configuration.source is None


def test_example_file_is_valid() -> None:
    configuration = load_configuration(EXAMPLE_FILE, tools=TOOLS, agents=AGENTS)
    assert configuration.source == EXAMPLE_FILE
    assert not configuration.allow_self_approval


def test_person_has_written_and_builtin_addresses() -> None:
    assert load_configuration(EXAMPLE_FILE, tools=TOOLS, agents=AGENTS).people.members == (
        Person(
            key="alice",
            name="Alice Ng",
            roles=("release", "oncall"),
            addresses=tuple(
                map(
                    Address,
                    (
                        "slack:U0ALICE",
                        "email:alice@example.com",
                        "sms:+15550001001",
                        "terminal:alice",
                        "web:alice",
                    ),
                )
            ),
        ),
    )


def test_rule_has_the_terms_of_the_file() -> None:
    assert load_configuration(EXAMPLE_FILE, tools=TOOLS, agents=AGENTS).rules == (
        Rule(
            name='policy[0]: push_release_tag, environment = "production"',
            tool="push_release_tag",
            when={"environment": "production"},
            ask=ApprovalTerms(
                roles=("release",),
                min_assurance=Assurance.MEDIUM,
                expires=1800,
                remind=(600,),
                escalate=(
                    EscalationStep(after=300, to=Address("role:oncall"), via="sms"),
                    EscalationStep(after=900, to=Address("role:oncall"), via="email"),
                ),
            ),
        ),
    )


def test_escalation_may_be_a_key_of_ask(tmp_path: Path) -> None:
    beside_ask = 'tool = "*"\nask = { roles = ["oncall"] }\nescalate = [{ after = "5m", to = "person:bob" }]\n'
    inside_ask = 'tool = "*"\nask = { roles = ["oncall"], escalate = [{ after = "5m", to = "person:bob" }] }\n'
    (first, second) = load(tmp_path, f"{PEOPLE_TOML}[[policy]]\n{beside_ask}[[policy]]\n{inside_ask}").rules
    assert first.ask == second.ask


def test_missing_terms_have_defaults(tmp_path: Path) -> None:
    (rule,) = load(tmp_path, f'{PEOPLE_TOML}[[policy]]\ntool = "*"\nask = {{ people = ["bob"] }}\n').rules
    assert rule.ask == ApprovalTerms(people=("bob",))


def test_rules_may_deny_with_a_reason_or_allow(tmp_path: Path) -> None:
    deny_rule, allow_rule = (
        '[[policy]]\ntool = "*"\ndeny = "frozen"\n',
        '[[policy]]\ntool = "roll_back"\nallow = true\n',
    )
    (first, second) = load(tmp_path, PEOPLE_TOML + deny_rule + allow_rule).rules
    assert (first.deny, first.ask) == ("frozen", None)
    assert (second.deny, second.ask) == (None, None)


def test_accepts_empty_list_of_approvers(tmp_path: Path) -> None:
    (rule,) = load(tmp_path, f'{PEOPLE_TOML}[[policy]]\ntool = "*"\nask = {{ roles = [] }}\n').rules
    assert rule.ask == ApprovalTerms()


def test_budget_has_only_the_written_limits(tmp_path: Path) -> None:
    text = f'{PEOPLE_TOML}[agents.deploy.budget]\nsteps = 40\nusd = 2\nwall_clock = "30m"\n[agents.oncall]\n'
    budgets = load(tmp_path, text).budgets
    assert budgets == {"deploy": Budget(steps=40, usd=2, wall_clock=1800), "oncall": Budget()}


def test_loads_prices_of_models(tmp_path: Path) -> None:
    text = f'{PEOPLE_TOML}[models."gpt-5.4-mini"]\ninput = 0.5\noutput = 2.0\n'
    assert load(tmp_path, text).prices == {"gpt-5.4-mini": Price(input=0.5, output=2.0)}


def test_loads_webhooks_and_schedules() -> None:
    configuration = load_configuration(EXAMPLE_FILE, tools=TOOLS, agents=AGENTS)
    assert configuration.webhooks == (
        Webhook(
            name="alerts",
            profile="alertmanager",
            secret_env="ALERTS_TOKEN",
            agent="deploy",
            reply_to=Address("slack:C0OPS"),
        ),
    )
    assert configuration.schedules == (
        Schedule(
            name="stale-commits",
            cron="0 9 * * mon-fri",
            timezone="Europe/Berlin",
            agent="deploy",
            message="Is anything waiting to be deployed?",
            reply_to=Address("slack:C0DEPLOY"),
        ),
    )


def test_mail_addresses_are_stored_in_lower_case(tmp_path: Path) -> None:
    configuration = load(tmp_path, '[people.al]\nname = "Al"\nemail = "Al@Example.COM"\n')
    assert configuration.people.get(Address("email:al@example.com")) is not None


def test_accepts_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "handrail.toml"
    file.write_bytes(b"\xef\xbb\xbf" + PEOPLE_TOML.replace("\n", "\r\n").encode())
    assert load_configuration(file, tools=TOOLS, agents=AGENTS).people.get(Address("person:bob")) is not None


def test_configured_path_overrides_default_path(tmp_path: Path) -> None:
    default = tmp_path / "handrail.toml"
    assert find_configuration_path(None, tmp_path) is None
    default.touch()
    assert find_configuration_path(None, tmp_path) == default
    assert find_configuration_path(Path("other.toml"), tmp_path) == Path("other.toml")


# --- errors ---


def test_all_errors_are_reported_in_the_order_of_lines(tmp_path: Path) -> None:
    text = (
        "[people.alice]\n"
        'nmae = "Alice"\n'
        'phone = "555"\n'
        "[[policy]]\n"
        'tool = "push_relase_tag"\n'
        "ask.quorum = 0\n"
        "ask.remind = [\n"
        '  "10m",\n'
        "  5\n"
        "]\n"
        "[[schedules]]\n"
        "cron = 9\n"
    )
    assert error_lines(tmp_path, text) == [
        "handrail.toml:1: people.alice.name: is missing",
        'handrail.toml:2: people.alice.nmae: is not a key of this table; did you mean "name"?',
        'handrail.toml:3: people.alice.phone: must be written like "+15550001001" (found "555")',
        'handrail.toml:5: policy[0].tool: there is no tool "push_relase_tag"; did you mean "push_release_tag"?',
        "handrail.toml:6: policy[0].ask.quorum: must be at least 1 (found 0)",
        'handrail.toml:9: policy[0].ask.remind[1]: must be a duration in quotes, like "90s", "5m", "2h" or "7d"',
        "handrail.toml:11: schedules[0].name: is missing",
        "handrail.toml:11: schedules[0].message: is missing",
        "handrail.toml:12: schedules[0].cron: must be text in quotes (found 9)",
    ]


def test_error_details_have_file_line_key_and_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, f"{PEOPLE_TOML}[agents.deploy.budget]\nsteps = 0\n")
    (issue,) = raised.value.details
    assert issue.model_dump() == {
        "file": str(tmp_path / "handrail.toml"),
        "line": 10,
        "key": "agents.deploy.budget.steps",
        "message": "must be at least 1 (found 0)",
        "severity": "error",
    }


MISTAKE_CASES = (Path(__file__).parent / "config_mistakes.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", MISTAKE_CASES.split("\n\n")[1:], ids=lambda case: case.partition("=> ")[2].strip())
def test_error_has_line_key_and_advice(tmp_path: Path, case: str) -> None:
    config, _, message = case.partition("=> ")
    assert f"handrail.toml:{message.strip()}" in error_lines(tmp_path, PEOPLE_TOML + config)


def test_shared_address_is_an_error_of_both_people(tmp_path: Path) -> None:
    messages = error_lines(tmp_path, f'{PEOPLE_TOML}[people.al]\nname = "Al"\nemail = "ALICE@example.com"\n')
    reason = 'belongs to "al", "alice"; give each address to one person only'
    assert messages == [
        f'handrail.toml:4: people.alice.email: "alice@example.com" {reason}',
        f'handrail.toml:11: people.al.email: "ALICE@example.com" {reason}',
    ]


@pytest.mark.parametrize("text", ["", "# nobody yet\n", "[people]\n"])
def test_file_without_people_is_an_error(tmp_path: Path, text: str) -> None:
    assert only_error_line(tmp_path, text).startswith(
        "handrail.toml:1: people: no person is named, so no request could be approved;"
    )


def test_secret_in_place_of_its_variable_name_is_not_shown(tmp_path: Path) -> None:
    webhook = '[[webhooks]]\nname = "a"\nprofile = "generic"\nsecret_env = "c4n4ry-value"\nsecret = "c4n4ry-value"\n'
    messages = error_lines(tmp_path, PEOPLE_TOML + webhook)
    assert "c4n4ry" not in "".join(messages)
    assert messages[1] == 'handrail.toml:13: webhooks[0].secret: is not a key of this table; did you mean "secret_env"?'


# --- unreadable files ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = \n", "handrail.toml:2: this is not TOML: Invalid value, column 5"),
        ("[a]\n[a]\n", "handrail.toml:2: this is not TOML: Cannot declare ('a',) twice, column 3"),
        ("a = [1", "handrail.toml: this is not TOML: Unclosed array (at end of document)"),
        ("a = " + "[" * 100_000, "handrail.toml: is nested too deeply; use fewer nested arrays and tables"),
    ],
)
def test_syntax_error_has_its_line(tmp_path: Path, text: str, message: str) -> None:
    assert only_error_line(tmp_path, text) == message


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{ a = ", " }")])
def test_deeply_nested_file_is_an_error_without_recursion_error(tmp_path: Path, opening: str, closing: str) -> None:
    for depth in range(10, 600, 7):
        assert only_error_line(tmp_path, f"{PEOPLE_TOML}[a]\na = {opening * depth}1{closing * depth}\n")


def test_number_too_long_for_python_is_an_error(tmp_path: Path) -> None:
    assert "this is not TOML" in only_error_line(tmp_path, f"a = {'9' * 5000}")


def test_file_that_is_not_utf_8_is_an_error_with_a_line(tmp_path: Path) -> None:
    file = tmp_path / "handrail.toml"
    file.write_bytes(b"a = 1\nb = '\xe9'\n")
    with pytest.raises(ConfigurationError, match=r"handrail\.toml:2: is not UTF-8"):
        load_configuration(file, tools=TOOLS, agents=AGENTS)


def test_missing_file_folder_and_huge_file_are_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge.toml"
    huge.write_text("#" * (1024 * 1024 + 1))
    for path, message in (
        (tmp_path / "no.toml", "does not exist"),
        (tmp_path, "is a folder"),
        (huge, "larger than 1024 KiB"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            load_configuration(path, tools=TOOLS, agents=AGENTS)


# --- random files ---

TEXTS = st.sampled_from(["alice", "role:oncall", "slack:C1", "5m", "*", "push_release_tag", "sms", "", "é\u2028"])
VALUES = st.recursive(
    TEXTS
    | st.text("ab:*.", max_size=4)
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.sampled_from(["name", "ask"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_random_file_is_loaded_or_has_errors_with_lines(tmp_path: Path, data: st.DataObject) -> None:
    document = tomllib.loads(EXAMPLE_FILE.read_text(encoding="utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        corrupt(document, data)
    text = "\n".join(f"{json.dumps(key)} = {to_toml(value)}" for key, value in document.items())
    assert all(1 <= line <= text.count("\n") + 1 for line in error_line_numbers(tmp_path, text))


def error_line_numbers(tmp_path: Path, text: str) -> list[int]:
    try:
        load(tmp_path, text)
    except ConfigurationError as error:
        return [issue.line for issue in error.details]
    return []


def corrupt(container: Any, data: st.DataObject) -> None:
    """Replace the value at a random position by a random value."""
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    if not keys:
        return
    key = data.draw(st.sampled_from(keys))
    if isinstance(container[key], dict | list) and data.draw(st.integers(0, 3)):
        corrupt(container[key], data)
    else:
        container[key] = data.draw(VALUES)


def to_toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key, ensure_ascii=False)} = {to_toml(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(to_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
