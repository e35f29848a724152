"""Words, plain data and checks for every room; nothing here imports another room, or touches a file."""

VERSION = "0.1.0"
