"""Rows of frames to clips, clips to windows, and every frame accounted for."""
