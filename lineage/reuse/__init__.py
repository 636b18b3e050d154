"""Reuse: a computation that was done already is not done again; its outputs become those of the new run."""
