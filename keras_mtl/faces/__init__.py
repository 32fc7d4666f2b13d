"""Faces in a photo: found, and aligned by five points; what prepare, predict and the server share."""
