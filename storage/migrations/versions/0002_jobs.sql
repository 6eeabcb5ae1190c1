-- Functions, triggers and indexes in addition to those of Procrastinate 3.10.

-- Defer a job within a transaction. No second job is needed while one with the same queueing lock waits: the unique
-- violation is caught here, in a subtransaction, since it would otherwise abort the whole transaction.
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

-- End a job if its number of attempts is still this one: it has another once another worker takes it.
CREATE FUNCTION handrail_end(job bigint, attempt integer, outcome text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM id FROM procrastinate_jobs WHERE id = job AND status = 'doing' AND attempts = attempt FOR UPDATE;
    IF FOUND THEN
        PERFORM procrastinate_finish_job_v1(job, outcome::procrastinate_job_status, true);
    END IF;
END;
$$;

-- Raise an error if a statement changed no rows although it should have: the transaction is rolled back. Only old
-- versions of Handrail call this function.
CREATE FUNCTION handrail_found(rows bigint, number integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF rows = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'HR404', MESSAGE = number::text;
    END IF;
END;
$$;

-- Notify the workers of a queue ("ring") that a job may be fetched.
CREATE FUNCTION handrail_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(
        'procrastinate_queue_v1#' || NEW.queue_name,
        json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text
    );
    RETURN NULL;
END;
$$;

-- Procrastinate notifies twice for every new job, also for one that is scheduled for later. PostgreSQL runs commits
-- with notifications one at a time.
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1;

CREATE TRIGGER handrail_ring_when_a_job_is_new AFTER INSERT ON procrastinate_jobs
    FOR EACH ROW WHEN (NEW.status = 'todo' AND NEW.scheduled_at IS NULL) EXECUTE FUNCTION handrail_ring();

-- Procrastinate notifies for new jobs only. A job that ends releases its lock, and a job that is retried waits again:
-- without a notification, the next job would wait until a worker polls.
CREATE TRIGGER handrail_ring_when_a_job_changes AFTER UPDATE OF status ON procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status = 'doing' AND NEW.status <> 'doing') EXECUTE FUNCTION handrail_ring();

-- Notify only if a job waits for the lock: most jobs have no successor, and each notification makes every worker query
-- for jobs. The advisory lock waits for transactions that are deferring such a job. A job that is deferred later finds
-- the lock free at its own notification.
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

-- Jobs are deleted when they end, with their history, so the events that these triggers write are never read.
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_insert_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_update_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_scheduled_events_v1;

-- Many jobs are scheduled for later, and few of them are due.
CREATE INDEX handrail_jobs_by_time ON procrastinate_jobs (queue_name, scheduled_at) WHERE status = 'todo';

-- The query that fetches a job checks for each candidate whether an earlier job holds its lock.
CREATE INDEX handrail_jobs_by_lock ON procrastinate_jobs (lock) WHERE status IN ('todo', 'doing');
