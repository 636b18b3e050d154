"""datamon keeps data as immutable bundles, records what every run read and wrote, and says what is stale and why."""

__version__ = "0.1.0"
