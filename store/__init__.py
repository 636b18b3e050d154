"""The content layer: immutable bundles of files in a content-addressed store, and the logs that name them."""
