"""From manifest files to rows."""
