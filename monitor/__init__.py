"""Everything that happens to an event after a connector yielded it, in river order."""
