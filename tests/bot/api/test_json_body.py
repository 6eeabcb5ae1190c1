import pytest
from starlette.exceptions import HTTPException

from bot.api.request_models import parse_json


@pytest.mark.parametrize(
    ("raw", "reason"), [(b'{"a": ', "Expecting value at character 6"), (b'{"a": 1, "a": 2}', "the same key twice")]
)
def test_body_that_is_not_strict_json_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(HTTPException) as refused:
        parse_json(raw)
    assert refused.value.status_code == 400
    assert refused.value.detail.startswith("the body is not valid JSON: ")
    assert reason in refused.value.detail
