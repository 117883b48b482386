-- The functions that compiled expressions call, for Postgres 14 and later: temporary ones, gone
-- with the session. A value of the language is one column for each type; numbers are NUMERIC,
-- instants and spans are microseconds. NUMERIC is exact and of any length here.

CREATE OR REPLACE FUNCTION pg_temp.tb_micros(stamp timestamp) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT (extract(epoch FROM stamp) * 1000000)::bigint $$;
-- An interval is multiplied in floating point: days and the rest apart stay exact.
CREATE OR REPLACE FUNCTION pg_temp.tb_instant(micros bigint) RETURNS timestamp
LANGUAGE sql IMMUTABLE AS $$
    SELECT timestamp 'epoch' + (micros / 86400000000) * interval '1 day'
        + (micros % 86400000000) * interval '1 microsecond' $$;
-- A place in the total order, as one number.
CREATE OR REPLACE FUNCTION pg_temp.tb_place(stamp timestamp, event_order bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.tb_micros(stamp) * 9223372036854775808::numeric + event_order $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_micros_of_place(place numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT div(
        place - mod(mod(place, 9223372036854775808) + 9223372036854775808, 9223372036854775808),
        9223372036854775808)::bigint $$;

-- JSON -------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION pg_temp.tb_get(object jsonb, name text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT object -> name $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_is_value(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(jsonb_typeof(value), 'null') <> 'null' $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_has_members(object jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_typeof(object) = 'object' AND object <> '{}', false) $$;
-- A path through a list flattens.
CREATE OR REPLACE FUNCTION pg_temp.tb_at(value jsonb, name text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    flat jsonb := '[]';
    item jsonb;
    found jsonb;
BEGIN
    IF jsonb_typeof(value) = 'object' THEN
        RETURN value -> name;
    ELSIF jsonb_typeof(value) IS DISTINCT FROM 'array' THEN
        RETURN NULL;
    END IF;
    FOR item IN SELECT jsonb_array_elements(value) LOOP
        found := pg_temp.tb_at(item, name);
        IF jsonb_typeof(found) = 'array' THEN
            flat := flat || found;
        ELSIF jsonb_typeof(found) <> 'null' THEN
            flat := flat || jsonb_build_array(found);
        END IF;
    END LOOP;
    RETURN flat;
END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_text(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(value) WHEN 'string' THEN normalize(value #>> '{}', NFC) END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_truth(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(value) WHEN 'boolean' THEN value::boolean END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_items(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT CASE jsonb_typeof(value) WHEN 'array' THEN value END $$;
-- Half even to nine places; `round` rounds half away.
CREATE OR REPLACE FUNCTION pg_temp.tb_rounded(exact numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN abs(exact) > 1000000000000 THEN NULL
        WHEN abs(exact - trunc(exact, 9)) = 0.0000000005
            THEN trunc(exact, 9) + mod(trunc(exact, 9), 0.000000002)
        ELSE round(exact, 9) END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_number(value jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(value) WHEN 'number' THEN pg_temp.tb_rounded(value::numeric) END $$;
-- Equal for equal values only: the type is part of it.
CREATE OR REPLACE FUNCTION pg_temp.tb_key(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(value)
        WHEN 'string' THEN 't:' || pg_temp.tb_text(value)
        WHEN 'boolean' THEN 'b:' || pg_temp.tb_truth(value)::text
        WHEN 'array' THEN 'l:' || value::text
        ELSE 'n:' || pg_temp.tb_number(value)::numeric(38, 9)::text END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_key_of(number numeric, text text, truth boolean) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce('n:' || number::numeric(38, 9)::text, 't:' || text, 'b:' || truth::text) $$;
-- The elements of a list, or the one value there is.
CREATE OR REPLACE FUNCTION pg_temp.tb_each(value jsonb) RETURNS jsonb[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE coalesce(jsonb_typeof(value), 'null')
        WHEN 'null' THEN ARRAY[]::jsonb[]
        WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements(value))
        ELSE ARRAY[value] END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_length(items jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT jsonb_array_length(items)::numeric $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_has_key(items jsonb, key text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT EXISTS (
        SELECT 1 FROM unnest(pg_temp.tb_each(items)) AS i(item) WHERE pg_temp.tb_key(i.item) = key
    ) $$;

-- Numbers ----------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION pg_temp.tb_half_even(numerator numeric, denominator numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT sign(numerator) * sign(denominator) * (
        div(abs(numerator), abs(denominator))
        + CASE
            WHEN 2 * mod(abs(numerator), abs(denominator)) > abs(denominator) THEN 1
            WHEN 2 * mod(abs(numerator), abs(denominator)) = abs(denominator)
                THEN mod(div(abs(numerator), abs(denominator)), 2)
            ELSE 0 END) $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_times(left_number numeric, right_number numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.tb_half_even(left_number * right_number * 1000000000, 1) * 0.000000001 $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_over(left_number numeric, right_number numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN right_number <> 0
        THEN pg_temp.tb_half_even(left_number * 1000000000, right_number) * 0.000000001 END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_lapse_times(lapse bigint, number numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT pg_temp.tb_half_even(lapse * number, 1)::bigint $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_lapse_over(lapse bigint, number numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN number <> 0 THEN pg_temp.tb_half_even(lapse, number)::bigint END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_lapse_ratio(lapse bigint, other bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT pg_temp.tb_over(lapse, other) $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_mean(total numeric, number numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN number > 0 THEN pg_temp.tb_over(total, number) END $$;

-- Texts ------------------------------------------------------------------------------------------

-- One character for one: of all letters only İ has two small ones, and only Σ has a small one that
-- depends on its neighbours.
CREATE OR REPLACE FUNCTION pg_temp.tb_lower(text text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN text = '' THEN text ELSE
        string_agg(lower(replace(p.part, 'Σ', 'σ') COLLATE "und-x-icu"), 'İ' ORDER BY p.at) END
    FROM unnest(string_to_array(text, 'İ')) WITH ORDINALITY AS p(part, at) $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_contains(text text, part text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT strpos(text, part) > 0 $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_starts(text text, part text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT starts_with(text, part) $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_ends(text text, part text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT right(text, length(part)) = part $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_characters(text text) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT length(text)::numeric $$;

-- Time -------------------------------------------------------------------------------------------

-- A day that does not exist becomes the first instant of the following month. `least` and
-- `greatest` pass over nulls here, so that what is missing is asked for first.
CREATE OR REPLACE FUNCTION pg_temp.tb_months_on(stamp timestamp, months integer) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN extract(year FROM date_trunc('month', stamp) + make_interval(months => months)) > 9998
            THEN 253402300799000000
        ELSE pg_temp.tb_micros(least(
            date_trunc('month', stamp) + make_interval(months => months)
                + (stamp - date_trunc('month', stamp)),
            date_trunc('month', stamp) + make_interval(months => months + 1))) END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_after_months(micros bigint, months integer) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN micros IS NOT NULL THEN pg_temp.tb_months_on(
        pg_temp.tb_instant(greatest(least(micros, 253402300799000000), -62135596800000000)),
        months) END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_after(micros bigint, lapse bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN micros IS NOT NULL THEN least(micros + lapse, 253402300799000000) END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_local(micros bigint, zone text) RETURNS timestamp
LANGUAGE sql IMMUTABLE AS $$
    SELECT (pg_temp.tb_instant(micros) AT TIME ZONE 'UTC') AT TIME ZONE zone $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_hour(micros bigint, zone text) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT extract(hour FROM pg_temp.tb_local(micros, zone)) $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_weekday(micros bigint, zone text) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT extract(isodow FROM pg_temp.tb_local(micros, zone)) $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_month(micros bigint, zone text) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT extract(month FROM pg_temp.tb_local(micros, zone)) $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_date(micros bigint, zone text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT to_char(pg_temp.tb_local(micros, zone), 'YYYY-MM-DD') $$;
-- Its argument is read from a row: of a constant it would be called while planning.
CREATE OR REPLACE FUNCTION pg_temp.tb_refused(text text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    RAISE EXCEPTION 'tailorbird: a date of this form is not read here; write 2026-01-31';
END $$;
-- Null for a day that there is not, such as 30 February.
CREATE OR REPLACE FUNCTION pg_temp.tb_day_of(year integer, month integer, day integer) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN year < 1 OR month NOT BETWEEN 1 AND 12 OR day NOT BETWEEN 1 AND 31 THEN NULL
        WHEN day <= extract(day FROM make_date(year, month, 1) + interval '1 month - 1 day')
            THEN make_date(year, month, day) END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_day_of_week(year integer, week integer, day integer)
RETURNS date LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN extract(isoyear FROM d.day) = year AND extract(week FROM d.day) = week
            AND extract(isodow FROM d.day) = tb_day_of_week.day THEN d.day END
    FROM (SELECT CASE WHEN year BETWEEN 1 AND 9998 THEN date_trunc('week', make_date(year, 1, 4))::date
        + (week - 1) * 7 + tb_day_of_week.day - 1 END AS day) AS d $$;
-- The forms of ISO 8601 that `datetime.fromisoformat` reads, in the extended one.
CREATE OR REPLACE FUNCTION pg_temp.tb_day(text text) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN text ~ '^\d{4}-\d{2}-\d{2}' THEN pg_temp.tb_day_of(
            substr(text, 1, 4)::integer, substr(text, 6, 2)::integer, substr(text, 9, 2)::integer)
        WHEN text ~ '^\d{4}-W\d{2}-\d' THEN pg_temp.tb_day_of_week(
            substr(text, 1, 4)::integer, substr(text, 7, 2)::integer, substr(text, 10, 1)::integer)
        END $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_day_of_instant(micros bigint) RETURNS date
LANGUAGE sql IMMUTABLE AS $$ SELECT pg_temp.tb_instant(micros)::date $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_falls_on(day date, micros bigint, zone text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(
        to_char(day, 'MM-DD') = to_char(today.local, 'MM-DD')
        OR (to_char(day, 'MM-DD') = '02-29' AND to_char(today.local, 'MM-DD') = '02-28'
            AND extract(day FROM today.local + interval '1 day') = 1), false)
    FROM (SELECT pg_temp.tb_local(micros, zone) AS local) AS today $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_seconds(hours text, minutes text, seconds text)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(nullif(hours, ''), '0')::bigint * 3600
        + coalesce(nullif(minutes, ''), '0')::bigint * 60
        + coalesce(nullif(seconds, ''), '0')::bigint $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_micros_of_day(clock text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.tb_seconds(x.m[1], x.m[2], x.m[3]) * 1000000
        + rpad(left(x.m[4], 6), 6, '0')::bigint
        - CASE WHEN coalesce(x.m[5], 'Z') = 'Z' THEN 0 ELSE
            CASE WHEN left(x.m[5], 1) = '-' THEN -1000000 ELSE 1000000 END * pg_temp.tb_seconds(
                substr(x.z, 2, 2), substr(x.z, 4, 2), substr(x.z, 6, 2)) END
    FROM (SELECT y.m, replace(y.m[5], ':', '') AS z FROM (
        SELECT regexp_match(clock, '^(\d\d):?(\d\d)?:?(\d\d)?[.,]?(\d*)(Z|[+-].*)?$') AS m
    ) AS y) AS x $$;
CREATE OR REPLACE FUNCTION pg_temp.tb_read_instant(text text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN t.t ~ '^\d{4}-\d{2}-\d{2}$' THEN pg_temp.tb_micros(pg_temp.tb_day(t.t)::timestamp)
        WHEN t.t ~ '^\d{4}-\d{2}-\d{2}.([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d([.,]\d+)?)?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d(:?[0-5]\d)?)?)?$'
            THEN pg_temp.tb_micros(pg_temp.tb_day(t.t)::timestamp)
                + pg_temp.tb_micros_of_day(substr(t.t, 12))
        WHEN t.t ~ '^\d{4}-?W\d{2}|^\d{8}' THEN pg_temp.tb_refused(t.t) END
    FROM (SELECT trim(text) AS t) AS t $$;
