"""The demo's pipeline: links to the scripts of `examples/karate`, so that an installed datamon has them too."""
