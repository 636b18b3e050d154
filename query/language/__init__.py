"""The language: what a person types, taken apart into SELECT text, lineage sources and questions."""
