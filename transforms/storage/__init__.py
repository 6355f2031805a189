"""Files, local or on Beam's filesystems: the one folder that tells these apart."""
