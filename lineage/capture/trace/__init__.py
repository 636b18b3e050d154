"""What a command and the processes below it read, wrote and looked for: ways to watch, and what is made of it."""
