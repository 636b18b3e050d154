"""Promote: a bundle goes from one store to another, without the bytes that are there."""
