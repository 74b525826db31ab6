"""Plugins: classes of other distributions, found through entry points and loaded without any risk to the tool."""
