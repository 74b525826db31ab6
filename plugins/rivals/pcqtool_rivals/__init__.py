"""The systems that PCQ is compared with, each in a file of its own; ``README.md`` states what was decided for each."""
