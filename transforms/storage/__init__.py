"""Files that appear whole or not at all, on local disks and on Beam's filesystems."""
