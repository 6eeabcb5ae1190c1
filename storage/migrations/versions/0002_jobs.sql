-- What Procrastinate 3.10 leaves to its users.

-- Defer a job in the middle of a transaction. A job with the same queueing lock that waits already is enough: the
-- refusal is caught here, in a subtransaction; caught outside, it would have ended the whole transaction.
CREATE FUNCTION handrail_defer(
    queue text, task text, priority integer, lock text, queueing_lock text, args jsonb, scheduled_at timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    refused_by text;
BEGIN
    RETURN (procrastinate_defer_jobs_v1(ARRAY[
        ROW(queue, task, priority, lock, queueing_lock, args, scheduled_at)::procrastinate_job_to_defer_v1
    ]))[1];
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS refused_by = CONSTRAINT_NAME;
    IF refused_by <> 'procrastinate_jobs_queueing_lock_idx_v1' THEN
        RAISE;
    END IF;
    RETURN NULL;
END;
$$;

-- Procrastinate rings for new jobs only. A job that ends frees its lock, and one that is to be tried again waits anew:
-- without a bell the next one would lie there until somebody polls.
CREATE FUNCTION handrail_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(
        'procrastinate_queue_v1#' || OLD.queue_name,
        json_build_object('type', 'job_inserted', 'job_id', OLD.id)::text
    );
    RETURN NULL;
END;
$$;

CREATE TRIGGER handrail_ring_when_a_lock_is_free AFTER DELETE ON procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status = 'doing' AND OLD.lock IS NOT NULL) EXECUTE FUNCTION handrail_ring();

CREATE TRIGGER handrail_ring_when_a_job_changes AFTER UPDATE OF status ON procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status = 'doing' AND NEW.status <> 'doing') EXECUTE FUNCTION handrail_ring();

-- Jobs for later are many; those whose time has come are few.
CREATE INDEX handrail_jobs_by_time ON procrastinate_jobs (queue_name, scheduled_at) WHERE status = 'todo';

-- Whether an earlier job holds a lock is asked for every job that is looked at.
CREATE INDEX handrail_jobs_by_lock ON procrastinate_jobs (lock) WHERE status IN ('todo', 'doing');
