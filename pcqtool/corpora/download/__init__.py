"""Download of public corpora: requests, transfer, unpacking."""
