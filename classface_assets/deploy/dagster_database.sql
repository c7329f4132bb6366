-- Dagster's records, beside the ledger's database.
CREATE DATABASE dagster;
