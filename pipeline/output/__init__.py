"""What lies in the output folder: nothing, an unfinished build, a dataset, and what has changed since."""
