"""One self-contained HTML page of a run's results: numbers, recordings over time, moments to listen to, trends."""
