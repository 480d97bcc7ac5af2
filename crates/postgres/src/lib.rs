//! PostgreSQL for many tenants.
