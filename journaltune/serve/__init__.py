"""The engine behind a protocol: JSON-RPC 2.0, one message a line, over stdin and stdout or a Unix socket.

Which methods there are is for the caller to say: the command line makes them of its own tables of options.
"""
