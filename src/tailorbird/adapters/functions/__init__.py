"""Handlers for AWS Lambda and Google Cloud Functions that hand events on to a Tailorbird server.

They need nothing but the standard library: package `tailorbird` without its dependencies.
"""
