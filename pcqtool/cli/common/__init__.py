"""What the commands share: options, console, progress, settings file."""
