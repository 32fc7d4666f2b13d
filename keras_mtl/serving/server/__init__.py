"""The HTTP server: TensorFlow Serving's REST interface, photo uploads, a page."""
