"""Pixels as plain functions: opened, turned upright, scaled and encoded."""
