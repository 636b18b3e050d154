"""The stores of the first datamon (2018–2023): how they are laid out, and how they are taken over (docs/operations.md)."""
