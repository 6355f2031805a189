"""Putting it together and running it: command line, options, the graph, progress, reports."""
