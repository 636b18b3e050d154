"""Answers as graphs: what GRAPH gives, and the ways in which it is written down."""
