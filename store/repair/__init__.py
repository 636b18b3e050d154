"""Repair: what a check finds damaged is made again, or taken from a copy or a tree that has it, and checked again."""
