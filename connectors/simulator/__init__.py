"""The other end of every wire: local servers that speak a platform's own protocol to a seeded, believable crowd.

Nothing here knows the monitor or a connector. ``run.run`` starts the servers; the ledger that it writes says what was really sent
and is the oracle of the end-to-end test. See docs/simulator.md.
"""
