"""Everyday questions answered from the graph's file alone, without the engine and what else is slow to load."""
