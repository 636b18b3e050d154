"""Writes docs/cli.md from the program itself: its words, their help, the settings, the exit codes.

Run it as `python docs/generate_cli.py` after a change of the command line; a test holds the two together.
"""

import sys
from pathlib import Path

from datamon.cli.reference import reference

PAGE = Path(__file__).with_name("cli.md")

if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
