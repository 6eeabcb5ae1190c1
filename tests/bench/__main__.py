"""All measurements, one after the other: `make bench`."""

from tests.bench import processes, round_trips, shared

round_trips.main()
shared.main()
processes.main()
