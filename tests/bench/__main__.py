"""All measurements, one after the other: `make bench`."""

from tests.bench import processes, round_trips

round_trips.main()
processes.main()
