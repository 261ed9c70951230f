"""What every domain shares: time, identifiers, money, timeframes, errors. Pure: no driver, no framework."""
