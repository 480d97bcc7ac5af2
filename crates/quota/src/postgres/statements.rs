/// Instances that start together take turns.
pub(super) const TABLES: &str = "
SELECT pg_advisory_xact_lock(8390891459735478384);
CREATE TABLE IF NOT EXISTS towerblock_quota_usage (
    tenant text NOT NULL,
    resource text NOT NULL,
    period timestamptz NOT NULL,
    used bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
    reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    told integer NOT NULL DEFAULT 0,
    news boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, resource, period)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS towerblock_quota_keys (
    tenant text NOT NULL,
    key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
    resource text NOT NULL,
    period timestamptz NOT NULL,
    units bigint NOT NULL CHECK (units >= 0),
    state text NOT NULL CHECK (state IN ('open', 'settled', 'expired', 'released')),
    until timestamptz NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX IF NOT EXISTS towerblock_quota_keys_until ON towerblock_quota_keys (until);
";

/// `$1` tenant, `$2` resource, `$3` first second of the period.
pub(super) const USAGE: &str = "
SELECT used, reserved FROM towerblock_quota_usage
WHERE tenant = $1 AND resource = $2 AND period = to_timestamp($3)";

/// `$4` units, `$5` the most there may be, `$6` thresholds. The condition is asked again of the row that is locked, so
/// that it holds whoever else writes.
pub(super) const CONSUME: &str = "
INSERT INTO towerblock_quota_usage AS q (tenant, resource, period, used, told, news)
SELECT $1, $2, to_timestamp($3), $4, width_bucket($4, $6), width_bucket($4, $6) > 0
WHERE $4 <= $5
ON CONFLICT (tenant, resource, period) DO UPDATE SET
    used = q.used + excluded.used,
    told = greatest(q.told, width_bucket(q.used + excluded.used, $6)),
    news = width_bucket(q.used + excluded.used, $6) > q.told
WHERE excluded.used <= $5 - q.reserved - q.used
RETURNING used, reserved, told, news";

/// `$1` tenants, `$2` resources, `$3` first seconds of the periods, `$4` units. In one order, so that those who do it at
/// the same time take turns.
pub(super) const COUNT: &str = "
INSERT INTO towerblock_quota_usage AS q (tenant, resource, period, used)
SELECT tenant, resource, to_timestamp(start), least(sum(units), 9223372036854775807)
FROM unnest($1::text[], $2::text[], $3::float8[], $4::int8[]) AS a (tenant, resource, start, units)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (tenant, resource, period) DO UPDATE SET
    used = q.used + least(excluded.used, 9223372036854775807 - q.used)
RETURNING tenant, resource, extract(epoch FROM period)::bigint, used, reserved, told";

/// `$4` how many thresholds were reached; a row if nobody was told of as many.
pub(super) const TELL: &str = "
UPDATE towerblock_quota_usage SET told = $4
WHERE tenant = $1 AND resource = $2 AND period = to_timestamp($3) AND told < $4
RETURNING told";

/// As `CONSUME`; `$7` the key, `$8` for how many seconds it is remembered. One who comes with the same key at the
/// same moment fails by the primary key, and the whole statement with it.
pub(super) const CONSUME_ONCE: &str = "
WITH u AS (
    INSERT INTO towerblock_quota_usage AS q (tenant, resource, period, used, told, news)
    SELECT $1, $2, to_timestamp($3), $4, width_bucket($4, $6), width_bucket($4, $6) > 0
    WHERE $4 <= $5 AND NOT EXISTS (
        SELECT FROM towerblock_quota_keys k WHERE k.tenant = $1 AND k.key = $7)
    ON CONFLICT (tenant, resource, period) DO UPDATE SET
        used = q.used + excluded.used,
        told = greatest(q.told, width_bucket(q.used + excluded.used, $6)),
        news = width_bucket(q.used + excluded.used, $6) > q.told
    WHERE excluded.used <= $5 - q.reserved - q.used
    RETURNING used, reserved, told, news),
k AS (
    INSERT INTO towerblock_quota_keys (tenant, key, resource, period, units, state, until)
    SELECT $1, $7, $2, to_timestamp($3), $4, 'settled', clock_timestamp() + make_interval(secs => $8)
    FROM u)
SELECT used, reserved, told, news FROM u";

/// `$6` the key, `$7` for how many seconds it is held.
pub(super) const RESERVE: &str = "
WITH u AS (
    INSERT INTO towerblock_quota_usage AS q (tenant, resource, period, reserved)
    SELECT $1, $2, to_timestamp($3), $4
    WHERE $4 <= $5 AND NOT EXISTS (
        SELECT FROM towerblock_quota_keys k WHERE k.tenant = $1 AND k.key = $6)
    ON CONFLICT (tenant, resource, period) DO UPDATE SET reserved = q.reserved + excluded.reserved
    WHERE excluded.reserved <= $5 - q.reserved - q.used
    RETURNING used, reserved),
k AS (
    INSERT INTO towerblock_quota_keys (tenant, key, resource, period, units, state, until)
    SELECT $1, $6, $2, to_timestamp($3), $4, 'open', clock_timestamp() + make_interval(secs => $7)
    FROM u)
SELECT used, reserved, 0 AS told, false AS news FROM u";

/// `$1` tenant, `$2` key.
pub(super) const FIND: &str = "
SELECT resource, extract(epoch FROM period)::bigint, units, state FROM towerblock_quota_keys
WHERE tenant = $1 AND key = $2";

/// `$1` tenant, `$2` key, `$3` what it came to, `$4` thresholds, `$5` for how many seconds it is remembered. It was
/// done, so that it counts, as much as a `bigint` holds.
pub(super) const COMMIT: &str = "
WITH o AS (
    SELECT tenant, key, resource, period, units, state FROM towerblock_quota_keys
    WHERE tenant = $1 AND key = $2 AND state IN ('open', 'expired') FOR UPDATE),
k AS (
    UPDATE towerblock_quota_keys k
    SET state = 'settled', until = clock_timestamp() + make_interval(secs => $5)
    FROM o WHERE k.tenant = o.tenant AND k.key = o.key)
UPDATE towerblock_quota_usage q SET
    reserved = q.reserved - CASE o.state WHEN 'open' THEN o.units ELSE 0 END,
    used = q.used + least($3, 9223372036854775807 - q.used),
    told = greatest(q.told, width_bucket(q.used + least($3, 9223372036854775807 - q.used), $4)),
    news = width_bucket(q.used + least($3, 9223372036854775807 - q.used), $4) > q.told
FROM o WHERE (q.tenant, q.resource, q.period) = (o.tenant, o.resource, o.period)
RETURNING q.used, q.reserved, q.told, q.news, o.state = 'expired'";

/// `$1` tenant, `$2` key, `$3` for how many seconds it is remembered.
pub(super) const RELEASE: &str = "
WITH k AS (
    UPDATE towerblock_quota_keys
    SET state = 'released', until = clock_timestamp() + make_interval(secs => $3)
    WHERE tenant = $1 AND key = $2 AND state = 'open'
    RETURNING tenant, resource, period, units)
UPDATE towerblock_quota_usage q SET reserved = q.reserved - k.units
FROM k WHERE (q.tenant, q.resource, q.period) = (k.tenant, k.resource, k.period)
RETURNING q.used";

/// `$4` units, `$5` below how many it is told of thresholds anew.
pub(super) const GIVE_BACK: &str = "
UPDATE towerblock_quota_usage SET
    used = greatest(used - $4, 0),
    told = CASE WHEN used - $4 < $5 THEN 0 ELSE told END
WHERE tenant = $1 AND resource = $2 AND period = to_timestamp($3)
RETURNING used, reserved, told, false AS news";

/// `$4` what is there, `$5` as above.
pub(super) const CORRECT: &str = "
INSERT INTO towerblock_quota_usage AS q (tenant, resource, period, used)
VALUES ($1, $2, to_timestamp($3), $4)
ON CONFLICT (tenant, resource, period) DO UPDATE SET
    used = excluded.used,
    told = CASE WHEN excluded.used < $5 THEN 0 ELSE q.told END
RETURNING used, reserved, told, false AS news";

/// `$1` how many at most, `$2` for how many seconds they are remembered. One sweeps at a time, for two might
/// wait for each other.
pub(super) const SWEEP: &str = "
WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(8390891459735478385) AS locked),
e AS (
    SELECT k.tenant, k.key FROM towerblock_quota_keys k, mine
    WHERE mine.locked AND k.state = 'open' AND k.until < clock_timestamp()
    ORDER BY k.tenant, k.resource, k.period LIMIT $1 FOR UPDATE OF k SKIP LOCKED),
k AS (
    UPDATE towerblock_quota_keys k
    SET state = 'expired', until = clock_timestamp() + make_interval(secs => $2)
    FROM e WHERE k.tenant = e.tenant AND k.key = e.key
    RETURNING k.tenant, k.resource, k.period, k.units),
s AS (
    SELECT tenant, resource, period, sum(units)::bigint AS units, count(*) AS keys
    FROM k GROUP BY tenant, resource, period),
u AS (
    UPDATE towerblock_quota_usage q SET reserved = q.reserved - s.units
    FROM s WHERE (q.tenant, q.resource, q.period) = (s.tenant, s.resource, s.period)
    RETURNING s.keys)
SELECT coalesce(sum(keys), 0)::bigint FROM u";

/// `$1` how many at most.
pub(super) const FORGET: &str = "
DELETE FROM towerblock_quota_keys WHERE (tenant, key) IN (
    SELECT tenant, key FROM towerblock_quota_keys
    WHERE state <> 'open' AND until < clock_timestamp()
    ORDER BY tenant, key LIMIT $1 FOR UPDATE SKIP LOCKED)";
