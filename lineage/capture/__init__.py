"""What is seen of a run from outside: its code's git state, its host, packages, streams and what it took."""
