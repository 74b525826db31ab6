"""Results in the formats of other programs: spreadsheets, annotation editors, subtitles, corpora."""
