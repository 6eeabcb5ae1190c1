import subprocess
import sys
from typing import Any

import pytest

from tests.harness.api import ApiHarness

OPERATIONS = {
    ("post", "/v1/threads"): ("open_thread", "201"),
    ("get", "/v1/threads"): ("list_threads", "200"),
    ("get", "/v1/threads/{thread_id}"): ("show_thread", "200"),
    ("get", "/v1/threads/{thread_id}/events"): ("read_events", "200"),
    ("get", "/v1/threads/{thread_id}/replay"): ("replay_thread", "200"),
    ("post", "/v1/threads/{thread_id}/messages"): ("post_message", "202"),
    ("post", "/v1/threads/{thread_id}/pause"): ("pause_thread", "200"),
    ("post", "/v1/threads/{thread_id}/resume"): ("resume_thread", "200"),
    ("post", "/v1/threads/{thread_id}/cancel"): ("cancel_thread", "200"),
    ("post", "/v1/threads/{thread_id}/fork"): ("fork_thread", "201"),
    ("get", "/v1/requests"): ("list_requests", "200"),
    ("get", "/v1/requests/{id_or_code}"): ("show_request", "200"),
    ("post", "/v1/requests/{id_or_code}/answer"): ("answer_request", "200"),
    ("get", "/v1/agents"): ("list_agents", "200"),
    ("get", "/v1/me"): ("show_caller", "200"),
    ("get", "/v1/doctor"): ("scan_threads", "200"),
    ("get", "/v1/contacts"): ("list_contacts", "200"),
    ("get", "/healthz"): ("get_liveness", "200"),
    ("get", "/readyz"): ("get_readiness", "200"),
}


@pytest.fixture
async def document(api: ApiHarness) -> dict[str, Any]:
    response = await api.client(None).get("/openapi.json")
    assert response.status_code == 200
    return dict(response.json())


async def test_operations_have_readable_ids(document: dict[str, Any]) -> None:
    operation_ids = {
        (method, path): operation["operationId"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operation_ids == {operation: name for operation, (name, _) in OPERATIONS.items()}


async def test_operations_document_their_responses(document: dict[str, Any]) -> None:
    for (method, path), (_, status) in OPERATIONS.items():
        schema = document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
        assert schema["$ref"].rpartition("/")[2] in document["components"]["schemas"]


async def test_operations_document_their_errors(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            failures = {s: r for s, r in operation["responses"].items() if s >= "400" and path.startswith("/v1")}
            assert all(
                r["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorResponse") for r in failures.values()
            )
            assert not path.startswith("/v1") or {"401", "422", "503"} <= set(failures)
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_only_the_api_requires_a_bearer_token(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert bool(operation.get("security")) is path.startswith("/v1")


async def test_optional_fields_are_not_required(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {"tool", "question", "choices", "arguments"}.isdisjoint(schemas["RequestView"]["required"])
    assert {"id", "code", "digest", "expires_at", "answers", "cards"} <= set(schemas["RequestView"]["required"])


async def test_every_post_documents_the_idempotency_key(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        if "post" in methods:
            assert "idempotency-key" in {p["name"].lower() for p in methods["post"]["parameters"]}


async def test_documentation_page_is_served(api: ApiHarness) -> None:
    response = await api.client(None).get("/docs")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert (await api.client(None).get("/redoc")).status_code == 404


def test_application_imports_no_unneeded_packages() -> None:
    script = (
        "import sys, bot.api.app; print(*(name for name in ('openai', 'alembic', 'httpx2') if name in sys.modules))"
    )
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert completed.stdout.split() == []
