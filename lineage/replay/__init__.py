"""Replay: a recorded run is done again exactly, and what comes out is compared bit by bit."""
