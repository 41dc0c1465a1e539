"""Compares a design's dumps with a set, and says where and why they differ."""
