"""The operations that have a name, by subject; each gives a :class:`fullon_client.calls.Call` to be sent.

What has none here is reached by `request()` of the clients.
"""
