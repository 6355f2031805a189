"""The contract on disk: what files a dataset has, and what is in them."""
