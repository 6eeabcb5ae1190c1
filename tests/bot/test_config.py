"""`handrail.toml`: what a good file means, and how the mistakes of a bad one are told."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.addresses import Address
from agents.budget import Budget
from agents.errors import ConfigurationError
from agents.messages import Assurance
from agents.people import Person
from agents.policy import ApprovalTerms, EscalationStep, Rule
from agents.pricing import Price
from bot.config import Configuration, find_configuration_path, load_configuration
from bot.installation import ARGUMENT_MODELS
from bot.triggers import Schedule, Webhook

EXAMPLE = Path(__file__).parents[2] / "handrail.example.toml"
TOOLS = ARGUMENT_MODELS
AGENTS = ("deploy", "oncall")
PEOPLE = """\
[people.alice]
name = "Alice Ng"
roles = ["release", "oncall"]
email = "alice@example.com"
[people.bob]
name = "Bob"
roles = ["oncall"]
phone = "+15550001002"
"""


def loaded(tmp_path: Path, text: str) -> Configuration:
    file = tmp_path / "handrail.toml"
    file.write_text(text, encoding="utf-8")
    return load_configuration(file, tools=TOOLS, agents=AGENTS)


def complaints(tmp_path: Path, text: str) -> list[str]:
    """What is told about a file, without the folder it is in."""
    with pytest.raises(ConfigurationError) as raised:
        loaded(tmp_path, text)
    assert str(raised.value) == "\n".join(map(str, raised.value.details))
    return [line.removeprefix(f"{tmp_path}/") for line in str(raised.value).split("\n")]


def complaint(tmp_path: Path, text: str) -> str:
    (only,) = complaints(tmp_path, text)
    return only


# --- what a good file means ---


def test_without_a_file_one_person_may_do_everything_also_approve_their_own_requests() -> None:
    configuration = load_configuration(None, tools=TOOLS, agents=AGENTS)
    (you,) = configuration.people.members
    assert you.key == "you"
    assert you.has_role("whatever a tool asks for")
    assert you.addresses == (Address("terminal:you"), Address("web:you"))
    assert configuration.allow_self_approval
    assert configuration.source is None


def test_the_example_is_without_mistakes() -> None:
    configuration = load_configuration(EXAMPLE, tools=TOOLS, agents=AGENTS)
    assert configuration.source == EXAMPLE
    assert not configuration.allow_self_approval


def test_a_person_is_reached_where_the_file_says_and_in_the_terminal_and_on_the_web_page() -> None:
    assert load_configuration(EXAMPLE, tools=TOOLS, agents=AGENTS).people.members == (
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


def test_a_rule_asks_on_the_terms_of_the_file_with_durations_in_seconds() -> None:
    assert load_configuration(EXAMPLE, tools=TOOLS, agents=AGENTS).rules == (
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


def test_escalation_may_stand_inside_ask_as_well(tmp_path: Path) -> None:
    beside = 'tool = "*"\nask = { roles = ["oncall"] }\nescalate = [{ after = "5m", to = "person:bob" }]\n'
    inside = 'tool = "*"\nask = { roles = ["oncall"], escalate = [{ after = "5m", to = "person:bob" }] }\n'
    (first, second) = loaded(tmp_path, f"{PEOPLE}[[policy]]\n{beside}[[policy]]\n{inside}").rules
    assert first.ask == second.ask


def test_what_ask_leaves_out_is_as_the_core_has_it(tmp_path: Path) -> None:
    (rule,) = loaded(tmp_path, f'{PEOPLE}[[policy]]\ntool = "*"\nask = {{ people = ["bob"] }}\n').rules
    assert rule.ask == ApprovalTerms(people=("bob",))


def test_rules_may_also_deny_with_a_reason_or_allow(tmp_path: Path) -> None:
    denies, allows = '[[policy]]\ntool = "*"\ndeny = "frozen"\n', '[[policy]]\ntool = "roll_back"\nallow = true\n'
    (first, second) = loaded(tmp_path, PEOPLE + denies + allows).rules
    assert (first.deny, first.ask) == ("frozen", None)
    assert (second.deny, second.ask) == (None, None)


def test_an_empty_list_of_approvers_is_taken_at_its_word(tmp_path: Path) -> None:
    (rule,) = loaded(tmp_path, f'{PEOPLE}[[policy]]\ntool = "*"\nask = {{ roles = [] }}\n').rules
    assert rule.ask == ApprovalTerms()


def test_a_budget_holds_what_is_written_and_nothing_else(tmp_path: Path) -> None:
    text = f'{PEOPLE}[agents.deploy.budget]\nsteps = 40\nusd = 2\nwall_clock = "30m"\n[agents.oncall]\n'
    budgets = loaded(tmp_path, text).budgets
    assert budgets == {"deploy": Budget(steps=40, usd=2, wall_clock=1800), "oncall": Budget()}


def test_prices_of_models_are_as_written(tmp_path: Path) -> None:
    text = f'{PEOPLE}[models."gpt-5.4-mini"]\ninput = 0.5\noutput = 2.0\n'
    assert loaded(tmp_path, text).prices == {"gpt-5.4-mini": Price(input=0.5, output=2.0)}


def test_webhooks_and_schedules_are_as_written() -> None:
    configuration = load_configuration(EXAMPLE, tools=TOOLS, agents=AGENTS)
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


def test_mail_addresses_are_compared_in_lower_case(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, '[people.al]\nname = "Al"\nemail = "Al@Example.COM"\n')
    assert configuration.people.get(Address("email:al@example.com")) is not None


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "handrail.toml"
    file.write_bytes(b"\xef\xbb\xbf" + PEOPLE.replace("\n", "\r\n").encode())
    assert load_configuration(file, tools=TOOLS, agents=AGENTS).people.get(Address("person:bob")) is not None


def test_the_file_named_is_read_before_the_usual_one_and_the_usual_one_only_if_it_is_there(tmp_path: Path) -> None:
    usual = tmp_path / "handrail.toml"
    assert find_configuration_path(None, tmp_path) is None
    usual.touch()
    assert find_configuration_path(None, tmp_path) == usual
    assert find_configuration_path(Path("other.toml"), tmp_path) == Path("other.toml")


# --- how mistakes are told ---


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
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
    assert complaints(tmp_path, text) == [
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


def test_details_carry_file_line_key_and_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        loaded(tmp_path, f"{PEOPLE}[agents.deploy.budget]\nsteps = 0\n")
    (mistake,) = raised.value.details
    assert mistake.model_dump() == {
        "file": str(tmp_path / "handrail.toml"),
        "line": 10,
        "key": "agents.deploy.budget.steps",
        "message": "must be at least 1 (found 0)",
        "severity": "error",
    }


ONE_EACH = (Path(__file__).parent / "config_mistakes.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", ONE_EACH.split("\n\n")[1:], ids=lambda case: case.partition("=> ")[2].strip())
def test_a_mistake_says_where_it_is_and_what_to_write(tmp_path: Path, case: str) -> None:
    written, _, told = case.partition("=> ")
    assert f"handrail.toml:{told.strip()}" in complaints(tmp_path, PEOPLE + written)


def test_an_address_given_to_two_people_is_told_at_both(tmp_path: Path) -> None:
    told = complaints(tmp_path, f'{PEOPLE}[people.al]\nname = "Al"\nemail = "ALICE@example.com"\n')
    same = 'belongs to "al", "alice"; give each address to one person only'
    assert told == [
        f'handrail.toml:4: people.alice.email: "alice@example.com" {same}',
        f'handrail.toml:11: people.al.email: "ALICE@example.com" {same}',
    ]


@pytest.mark.parametrize("text", ["", "# nobody yet\n", "[people]\n"])
def test_a_file_that_names_nobody_is_a_mistake_since_nobody_could_ever_approve(tmp_path: Path, text: str) -> None:
    assert complaint(tmp_path, text).startswith(
        "handrail.toml:1: people: no person is named, so no request could be approved;"
    )


def test_a_secret_written_where_its_name_belongs_is_not_repeated(tmp_path: Path) -> None:
    webhook = '[[webhooks]]\nname = "a"\nprofile = "generic"\nsecret_env = "c4n4ry-value"\nsecret = "c4n4ry-value"\n'
    told = complaints(tmp_path, PEOPLE + webhook)
    assert "c4n4ry" not in "".join(told)
    assert told[1] == 'handrail.toml:13: webhooks[0].secret: is not a key of this table; did you mean "secret_env"?'


# --- files that cannot be read at all ---


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\nb = \n", "handrail.toml:2: this is not TOML: Invalid value, column 5"),
        ("[a]\n[a]\n", "handrail.toml:2: this is not TOML: Cannot declare ('a',) twice, column 3"),
        ("a = [1", "handrail.toml: this is not TOML: Unclosed array (at end of document)"),
        ("a = " + "[" * 100_000, "handrail.toml: is nested too deeply"),
    ],
)
def test_a_syntax_error_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    assert complaint(tmp_path, text) == told


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{ a = ", " }")])
def test_however_deep_the_file_is_nested_python_never_runs_out_of_stack(
    tmp_path: Path, opening: str, closing: str
) -> None:
    for depth in range(10, 600, 7):
        assert complaint(tmp_path, f"{PEOPLE}[a]\na = {opening * depth}1{closing * depth}\n")


def test_a_number_too_long_for_python_is_a_mistake_too(tmp_path: Path) -> None:
    assert "this is not TOML" in complaint(tmp_path, f"a = {'9' * 5000}")


def test_a_file_that_is_not_utf_8_is_told_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "handrail.toml"
    file.write_bytes(b"a = 1\nb = '\xe9'\n")
    with pytest.raises(ConfigurationError, match=r"handrail\.toml:2: is not UTF-8"):
        load_configuration(file, tools=TOOLS, agents=AGENTS)


def test_a_missing_file_a_folder_and_a_huge_file_are_refused_clearly(tmp_path: Path) -> None:
    huge = tmp_path / "huge.toml"
    huge.write_text("#" * (1024 * 1024 + 1))
    for path, told in (
        (tmp_path / "no.toml", "does not exist"),
        (tmp_path, "is a folder"),
        (huge, "larger than 1024 KiB"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            load_configuration(path, tools=TOOLS, agents=AGENTS)


# --- whatever is written ---

WORDS = st.sampled_from(["alice", "role:oncall", "slack:C1", "5m", "*", "push_release_tag", "sms", "", "é\u2028"])
VALUES = st.recursive(
    WORDS
    | st.text("ab:*.", max_size=4)
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.sampled_from(["name", "ask"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_stands_in_the_file_it_is_a_configuration_or_mistakes_on_its_lines(
    tmp_path: Path, data: st.DataObject
) -> None:
    document = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        spoil(document, data)
    text = "\n".join(f"{json.dumps(key)} = {as_toml(value)}" for key, value in document.items())
    assert all(1 <= line <= text.count("\n") + 1 for line in lines_with_mistakes(tmp_path, text))


def lines_with_mistakes(tmp_path: Path, text: str) -> list[int]:
    try:
        loaded(tmp_path, text)
    except ConfigurationError as error:
        return [mistake.line for mistake in error.details]
    return []


def spoil(container: Any, data: st.DataObject) -> None:
    """Puts any value in any place, keeping the rest."""
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    if not keys:
        return
    key = data.draw(st.sampled_from(keys))
    if isinstance(container[key], dict | list) and data.draw(st.integers(0, 3)):
        spoil(container[key], data)
    else:
        container[key] = data.draw(VALUES)


def as_toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key, ensure_ascii=False)} = {as_toml(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
