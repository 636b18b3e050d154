"""The command line: parses, calls one function, prints what it gave."""
