"""All measurements, one after the other: `make bench`."""

from tests.bench import processes, round_trips, shared, slack, texts

texts.main()
round_trips.main()
shared.main()
slack.main()
processes.main()
