"""The socket door: one hub per process finds its sockets and writes one ready frame to each."""
