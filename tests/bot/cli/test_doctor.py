"""`handrail doctor`: one line for each thing, and an exit code."""


def test_an_empty_folder_is_no_problem(handrail):
    told = handrail("doctor", "--json")
    assert told.exit_code == 0
    assert {finding["state"] for finding in told.json} <= {"ok", "warning"}
    assert {"python", "git", "folder", "settings", "approvers", "model", "database", "slack", "server"} <= {
        finding["name"] for finding in told.json
    }
    assert "start it with `make up`" in handrail("doctor").out


def test_a_running_server_is_found_and_asked(run_on_server):
    told = run_on_server("doctor", "--json")
    assert told.exit_code == 0
    found = {finding["name"]: finding for finding in told.json}
    assert "in use by a running Handrail" in found["database"]["told"]
    assert found["server"]["state"] == found["token"]["state"] == "ok"


def test_a_problem_is_an_exit_code(handrail, monkeypatch, tmp_path):
    monkeypatch.setenv("DEPLOY_REPO", str(tmp_path / "nothing"))
    told = handrail("doctor")
    assert told.exit_code == 1
    assert "is not a git repository" in told.out


def test_wrong_settings_and_wrong_configuration_are_told_line_by_line(handrail, monkeypatch, tmp_path):
    (tmp_path / "handrail.toml").write_text("[people.alice]\nname = 3\nrolls = []\n")
    lines = [finding["told"] for finding in handrail("doctor", "--json").json if finding["state"] == "problem"]
    assert [line.partition(": ")[0] for line in lines] == ["handrail.toml:2", "handrail.toml:3"]
    monkeypatch.setenv("PORT", "many")
    told = handrail("doctor", "--json")
    assert told.exit_code == 1
    assert told.json[-1]["name"] == "settings"


def test_a_worker_of_a_shared_database_is_found_with_its_queues(folder, postgres_url):
    here = {"DATABASE_URL": postgres_url, "PORT": "1"}
    with folder.start("worker", "--concurrency", "3", **here) as worker:
        worker.wait_for_output("takes jobs of")
        told = folder.run("doctor", "--json", **here)
    found = [finding for finding in told.json if finding["name"] in ("database", "process", "queue", "jobs", "threads")]
    assert told.exit_code == 0
    assert {finding["state"] for finding in found} == {"ok"}
    (process,) = (finding["data"] for finding in found if finding["name"] == "process")
    assert (process["role"], process["pid"], process["concurrency"]) == ("worker", worker.process.pid, 3)
    queues = {finding["data"]["queue"]: finding["data"]["processes"] for finding in found if finding["name"] == "queue"}
    assert queues == {"advance": 1, "deliver": 1, "timer": 1}


def test_a_shared_database_that_is_away_is_a_problem(handrail, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/handrail")
    told = handrail("doctor", "--json")
    assert told.exit_code == 1
    assert [finding["name"] for finding in told.json if finding["state"] == "problem"] == ["database"]
