"""Decode and encode: pictures, frames, video."""
