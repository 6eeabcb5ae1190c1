"""All measurements, one after the other: `make bench`."""

from tests.bench import processes, round_trips, shared, slack

round_trips.main()
shared.main()
slack.main()
processes.main()
