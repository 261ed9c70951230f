"""The trading side of the paper venue: accounts, orders and fills against the venue's own market.

From the inside out: ``orders`` and ``accounts`` (values), ``matching`` (what a book or a print gives an order),
``settlement`` (what a fill does to balances), ``state`` (everything in force, changed one whole step at a time),
``records`` (the file that survives a restart), ``filters`` and ``tickets`` (what may be asked for), ``desk`` (place,
cancel, time passes); then ``signing``, ``answers``, ``routes``, ``account_routes`` for requests and ``events``,
``streams`` for the user stream.
"""
