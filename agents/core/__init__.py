"""The pure core: events, state, policy, requests and the next step. It uses no I/O, clock or randomness."""
