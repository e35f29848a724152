"""Words and plain data that every room uses; knows no other room. Nothing here reads or writes a file."""

VERSION = "0.1.0"
