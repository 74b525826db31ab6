"""What ``pcqtool doctor`` looks at: each file a kind of thing, each function a list of findings."""
