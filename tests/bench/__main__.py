"""Run all measurements one after the other (`make bench`)."""

from tests.bench import (
    email_latency,
    message_texts,
    postgres_round_trips,
    processes,
    round_trips,
    slack_latency,
    sms_latency,
)

message_texts.main()
round_trips.main()
postgres_round_trips.main()
slack_latency.main()
email_latency.main()
sms_latency.main()
processes.main()
