"""Mirrored stores: made, promoted, compared and healed. How they read and write is `store/backend/mirrored`'s."""
