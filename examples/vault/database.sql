-- The application's side of the database: a schema, and a group role that carries the grants.
--
-- Accounts made on demand join the group instead of being granted each right: dropping them then needs no REVOKE, and a
-- hundred at once do not wait for each other on the access lists of the same tables.
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('strongbox/timeline'));

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'timeline_reader') THEN
    CREATE ROLE timeline_reader NOLOGIN;
  END IF;
EXCEPTION
  -- Roles belong to all databases of the server, the lock above to one.
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

CREATE SCHEMA IF NOT EXISTS timeline;
CREATE TABLE IF NOT EXISTS timeline.events (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at      timestamptz NOT NULL DEFAULT now(),
  what    text NOT NULL
);
GRANT USAGE ON SCHEMA timeline TO timeline_reader;
GRANT SELECT ON timeline.events TO timeline_reader;
COMMIT;
