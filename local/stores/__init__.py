"""PostgreSQL and Valkey on this machine: found, prepared and described, but not supervised.

`locate` finds the programs, `postgres` and `valkey` know how to prepare a data directory, which command serves
it and when it answers. Who starts and stops the process is the caller's business: the supervisor for
`fullon up`, a fixture for the tests.
"""
