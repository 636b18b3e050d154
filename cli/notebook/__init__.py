"""datamon in notebooks: magics that ask and record, and what they complete."""
