"""The sources of the language as recursive SQL over the tables, for engines that have no graph of ours beside them."""
