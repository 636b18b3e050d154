"""The query layer: the index made from the store, the language, and the engine that answers."""
