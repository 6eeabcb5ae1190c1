"""The database: SQLite in one process or PostgreSQL for several. Only `storage.database.database` commits."""
