"""The common part of all commands: options, console, progress, settings file."""
