"""What a message tells beyond its own fields: its topics, its flags, and the country it most likely speaks for. Pure."""
