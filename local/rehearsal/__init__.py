"""The rehearsal of a deployment: the templates in a local AWS emulator, with everything real around them.

`python -m local.rehearsal` synthesises the `local` profile, deploys it into MiniStack (or a LocalStack that runs),
gives the deployed functions an embedded PostgreSQL and Valkey, runs the daemons that the emulator's services want,
and lets the end-to-end tests loose on the result. It is the check of the templates; `make run` is the daily driver.
"""
