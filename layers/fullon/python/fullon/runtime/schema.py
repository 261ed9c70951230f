"""The schema revisions this code expects; a test keeps them equal to the newest migrations."""

PLATFORM_HEAD = "p0004"
CANDLES_HEAD = "c0001"
