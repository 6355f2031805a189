"""The manifest formats of annotation tools: an image and all that is known of its objects in one row."""
