"""The version of pcqtool."""

__version__ = "0.1.0"
