-- What Procrastinate 3.10 leaves to its users.

-- Defer a job in the middle of a transaction. A job with the same queueing lock that waits already is enough: the
-- refusal is caught here, in a subtransaction; caught outside, it would have ended the whole transaction.
CREATE FUNCTION handrail_defer(
    queue text, task text, priority integer, lock text, queueing_lock text, args jsonb, scheduled_at timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    deferred bigint;
    refused_by text;
BEGIN
    deferred := (procrastinate_defer_jobs_v1(ARRAY[
        ROW(queue, task, priority, lock, queueing_lock, args, scheduled_at)::procrastinate_job_to_defer_v1
    ]))[1];
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('handrail: ' || lock, 0));
    RETURN deferred;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS refused_by = CONSTRAINT_NAME;
    IF refused_by <> 'procrastinate_jobs_queueing_lock_idx_v1' THEN
        RAISE;
    END IF;
    RETURN NULL;
END;
$$;

-- End a job. Every taking of it has a number of attempts of its own: whoever lost it in between changes nothing.
CREATE FUNCTION handrail_end(job bigint, attempt integer, outcome text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM id FROM procrastinate_jobs WHERE id = job AND status = 'doing' AND attempts = attempt FOR UPDATE;
    IF FOUND THEN
        PERFORM procrastinate_finish_job_v1(job, outcome::procrastinate_job_status, true);
    END IF;
END;
$$;

-- Have a statement fail that changes nothing where something was expected: told in time to keep nothing of it.
CREATE FUNCTION handrail_found(rows bigint, number integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF rows = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'HR404', MESSAGE = number::text;
    END IF;
END;
$$;

CREATE FUNCTION handrail_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(
        'procrastinate_queue_v1#' || NEW.queue_name,
        json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text
    );
    RETURN NULL;
END;
$$;

-- Procrastinate rings twice for every new job, also for those that are for later. While one rings, nobody else can.
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1;

CREATE TRIGGER handrail_ring_when_a_job_is_new AFTER INSERT ON procrastinate_jobs
    FOR EACH ROW WHEN (NEW.status = 'todo' AND NEW.scheduled_at IS NULL) EXECUTE FUNCTION handrail_ring();

-- It rings for new jobs only. A job that ends frees its lock, and one that is to be tried again waits anew: without a
-- ring the next one would lie there until somebody polls.
CREATE TRIGGER handrail_ring_when_a_job_changes AFTER UPDATE OF status ON procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status = 'doing' AND NEW.status <> 'doing') EXECUTE FUNCTION handrail_ring();

-- Most jobs leave nobody waiting, and every ring has every worker look. A job that is being deferred meanwhile is
-- waited for here, or is deferred once this one has ended: its own ring then finds the lock free.
CREATE FUNCTION handrail_ring_if_one_waits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    queue text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('handrail: ' || OLD.lock, 0));
    FOR queue IN SELECT DISTINCT queue_name FROM procrastinate_jobs WHERE lock = OLD.lock AND status = 'todo' LOOP
        PERFORM pg_notify(
            'procrastinate_queue_v1#' || queue, json_build_object('type', 'job_inserted', 'job_id', OLD.id)::text
        );
    END LOOP;
    RETURN NULL;
END;
$$;

CREATE TRIGGER handrail_ring_when_a_lock_is_free AFTER DELETE ON procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status = 'doing' AND OLD.lock IS NOT NULL) EXECUTE FUNCTION handrail_ring_if_one_waits();

-- Jobs are deleted when they end, and their history with them: nobody ever reads what these write.
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_insert_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_update_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_scheduled_events_v1;

-- Jobs for later are many; those whose time has come are few.
CREATE INDEX handrail_jobs_by_time ON procrastinate_jobs (queue_name, scheduled_at) WHERE status = 'todo';

-- Whether an earlier job holds a lock is asked for every job that is looked at.
CREATE INDEX handrail_jobs_by_lock ON procrastinate_jobs (lock) WHERE status IN ('todo', 'doing');
