"""`handrail doctor`: one line for each check, and an exit code."""


def test_empty_folder_is_not_a_problem(handrail):
    result = handrail("doctor", "--json")
    assert result.exit_code == 0
    assert {finding["state"] for finding in result.json} <= {"ok", "warning"}
    assert {"python", "git", "folder", "settings", "approvers", "model", "database", "slack", "server"} <= {
        finding["name"] for finding in result.json
    }
    assert "start it with `make up`" in handrail("doctor").out


def test_running_server_is_checked(run_on_server):
    result = run_on_server("doctor", "--json")
    assert result.exit_code == 0
    found = {finding["name"]: finding for finding in result.json}
    assert "in use by a running Handrail" in found["database"]["told"]
    assert found["server"]["state"] == found["token"]["state"] == "ok"


def test_exit_code_is_1_with_a_problem(handrail, monkeypatch, tmp_path):
    monkeypatch.setenv("DEPLOY_REPO", str(tmp_path / "nothing"))
    result = handrail("doctor")
    assert result.exit_code == 1
    assert "is not a git repository" in result.out


def test_mistakes_in_settings_and_configuration_are_problems(handrail, monkeypatch, tmp_path):
    (tmp_path / "handrail.toml").write_text("[people.alice]\nname = 3\nrolls = []\n")
    lines = [finding["told"] for finding in handrail("doctor", "--json").json if finding["state"] == "problem"]
    assert [line.partition(": ")[0] for line in lines] == ["handrail.toml:2", "handrail.toml:3"]
    monkeypatch.setenv("PORT", "many")
    result = handrail("doctor", "--json")
    assert result.exit_code == 1
    assert result.json[-1]["name"] == "settings"


def test_worker_of_a_shared_database_is_found_with_its_queues(folder, postgres_url):
    environment = {"DATABASE_URL": postgres_url, "PORT": "1"}
    with folder.start("worker", "--concurrency", "3", **environment) as worker:
        worker.wait_for_output("takes jobs of")
        result = folder.run("doctor", "--json", **environment)
    found = [
        finding for finding in result.json if finding["name"] in ("database", "process", "queue", "jobs", "threads")
    ]
    assert result.exit_code == 0
    assert {finding["state"] for finding in found} == {"ok"}
    (process,) = (finding["data"] for finding in found if finding["name"] == "process")
    assert (process["role"], process["pid"], process["concurrency"]) == ("worker", worker.process.pid, 3)
    queues = {finding["data"]["queue"]: finding["data"]["processes"] for finding in found if finding["name"] == "queue"}
    assert queues == {"advance": 1, "deliver": 1, "timer": 1, "input": 1}


def test_unreachable_shared_database_is_a_problem(handrail, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/handrail")
    result = handrail("doctor", "--json")
    assert result.exit_code == 1
    assert [finding["name"] for finding in result.json if finding["state"] == "problem"] == ["database"]
