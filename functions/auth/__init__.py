"""Log in, refresh, log out, register, tickets for the socket."""
