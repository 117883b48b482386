-- The functions that compiled expressions call, for BigQuery: temporary ones, to stand before the
-- query in one script. A value of the language is one column for each type; numbers are NUMERIC,
-- instants and spans are microseconds (INT64), JSON is JSON, stamps are TIMESTAMP.

CREATE TEMP FUNCTION tb_micros(stamp TIMESTAMP) RETURNS INT64 AS (UNIX_MICROS(stamp));
CREATE TEMP FUNCTION tb_instant(micros INT64) RETURNS TIMESTAMP AS (TIMESTAMP_MICROS(micros));
-- A place in the total order, as one number.
CREATE TEMP FUNCTION tb_place(stamp TIMESTAMP, event_order INT64) RETURNS BIGNUMERIC AS (
    CAST(UNIX_MICROS(stamp) AS BIGNUMERIC) * BIGNUMERIC '9223372036854775808' + event_order);
CREATE TEMP FUNCTION tb_micros_of_place(place BIGNUMERIC) RETURNS INT64 AS (
    CAST(DIV(
        place - MOD(MOD(place, BIGNUMERIC '9223372036854775808')
            + BIGNUMERIC '9223372036854775808', BIGNUMERIC '9223372036854775808'),
        BIGNUMERIC '9223372036854775808') AS INT64));

-- JSON -------------------------------------------------------------------------------------------

CREATE TEMP FUNCTION tb_get(object JSON, name STRING) RETURNS JSON AS (object[name]);
CREATE TEMP FUNCTION tb_is_value(value JSON) RETURNS BOOL AS (
    COALESCE(JSON_TYPE(value), 'null') <> 'null');
CREATE TEMP FUNCTION tb_has_members(object JSON) RETURNS BOOL AS (
    COALESCE(JSON_TYPE(object) = 'object' AND TO_JSON_STRING(object) <> '{}', FALSE));
-- The elements of a list, or the one value there is.
CREATE TEMP FUNCTION tb_each(value JSON) RETURNS ARRAY<JSON> AS (
    CASE COALESCE(JSON_TYPE(value), 'null')
        WHEN 'null' THEN ARRAY<JSON>[]
        WHEN 'array' THEN JSON_QUERY_ARRAY(value)
        ELSE [value] END);
CREATE TEMP FUNCTION tb_found(item JSON, name STRING) RETURNS ARRAY<JSON> AS (
    CASE JSON_TYPE(item)
        WHEN 'array'
            THEN ERROR('tailorbird: a path leads through lists that are nested three deep')
        WHEN 'object' THEN tb_each(item[name])
        ELSE ARRAY<JSON>[] END);
CREATE TEMP FUNCTION tb_found_deep(value JSON, name STRING) RETURNS ARRAY<JSON> AS (
    ARRAY(
        SELECT found
        FROM UNNEST(tb_each(value)) AS item WITH OFFSET AS i,
            UNNEST(tb_found(item, name)) AS found WITH OFFSET AS j
        ORDER BY i, j));
-- A path through a list flattens.
CREATE TEMP FUNCTION tb_at(value JSON, name STRING) RETURNS JSON AS (
    CASE JSON_TYPE(value)
        WHEN 'object' THEN value[name]
        WHEN 'array' THEN TO_JSON(ARRAY(
            SELECT found
            FROM UNNEST(JSON_QUERY_ARRAY(value)) AS item WITH OFFSET AS i,
                UNNEST(tb_found_deep(item, name)) AS found WITH OFFSET AS j
            ORDER BY i, j)) END);
CREATE TEMP FUNCTION tb_text(value JSON) RETURNS STRING AS (
    CASE JSON_TYPE(value) WHEN 'string' THEN NORMALIZE(JSON_VALUE(value), NFC) END);
CREATE TEMP FUNCTION tb_truth(value JSON) RETURNS BOOL AS (
    CASE JSON_TYPE(value) WHEN 'boolean' THEN JSON_VALUE(value) = 'true' END);
CREATE TEMP FUNCTION tb_items(value JSON) RETURNS JSON AS (
    CASE JSON_TYPE(value) WHEN 'array' THEN value END);
-- Half even to nine places; 38 places tell every double from a tie.
CREATE TEMP FUNCTION tb_rounded(exact BIGNUMERIC) RETURNS NUMERIC AS (
    CASE WHEN ABS(exact) <= 1000000000000
        THEN CAST(ROUND(exact, 9, 'ROUND_HALF_EVEN') AS NUMERIC) END);
CREATE TEMP FUNCTION tb_number(value JSON) RETURNS NUMERIC AS (
    CASE JSON_TYPE(value) WHEN 'number'
        THEN tb_rounded(SAFE_CAST(JSON_VALUE(value) AS BIGNUMERIC)) END);
-- Equal for equal values only: the type is part of it.
CREATE TEMP FUNCTION tb_key(value JSON) RETURNS STRING AS (
    CASE JSON_TYPE(value)
        WHEN 'string' THEN CONCAT('t:', tb_text(value))
        WHEN 'boolean' THEN CONCAT('b:', CAST(tb_truth(value) AS STRING))
        WHEN 'array' THEN CONCAT('l:', TO_JSON_STRING(value))
        ELSE CONCAT('n:', CAST(tb_number(value) AS STRING)) END);
CREATE TEMP FUNCTION tb_key_of(number NUMERIC, text STRING, truth BOOL) RETURNS STRING AS (
    COALESCE(CONCAT('n:', CAST(number AS STRING)), CONCAT('t:', text),
        CONCAT('b:', CAST(truth AS STRING))));
CREATE TEMP FUNCTION tb_length(items JSON) RETURNS NUMERIC AS (
    CAST(ARRAY_LENGTH(JSON_QUERY_ARRAY(items)) AS NUMERIC));
CREATE TEMP FUNCTION tb_has_key(items JSON, key STRING) RETURNS BOOL AS (
    EXISTS(SELECT 1 FROM UNNEST(JSON_QUERY_ARRAY(items)) AS item WHERE tb_key(item) = key));

-- Numbers ----------------------------------------------------------------------------------------

CREATE TEMP FUNCTION tb_half_even(numerator BIGNUMERIC, denominator BIGNUMERIC)
RETURNS BIGNUMERIC AS (
    SIGN(numerator) * SIGN(denominator) * (
        DIV(ABS(numerator), ABS(denominator))
        + CASE
            WHEN 2 * MOD(ABS(numerator), ABS(denominator)) > ABS(denominator) THEN 1
            WHEN 2 * MOD(ABS(numerator), ABS(denominator)) = ABS(denominator)
                THEN MOD(DIV(ABS(numerator), ABS(denominator)), 2)
            ELSE 0 END));
CREATE TEMP FUNCTION tb_times(left_number NUMERIC, right_number NUMERIC) RETURNS NUMERIC AS (
    CAST(ROUND(CAST(left_number AS BIGNUMERIC) * right_number, 9, 'ROUND_HALF_EVEN') AS NUMERIC));
CREATE TEMP FUNCTION tb_over(left_number NUMERIC, right_number NUMERIC) RETURNS NUMERIC AS (
    CASE WHEN right_number <> 0 THEN CAST(
        tb_half_even(CAST(left_number AS BIGNUMERIC) * 1000000000, right_number)
        * NUMERIC '0.000000001' AS NUMERIC) END);
CREATE TEMP FUNCTION tb_lapse_times(lapse INT64, number NUMERIC) RETURNS INT64 AS (
    CAST(ROUND(CAST(lapse AS BIGNUMERIC) * number, 0, 'ROUND_HALF_EVEN') AS INT64));
CREATE TEMP FUNCTION tb_lapse_over(lapse INT64, number NUMERIC) RETURNS INT64 AS (
    CASE WHEN number <> 0 THEN CAST(tb_half_even(lapse, number) AS INT64) END);
CREATE TEMP FUNCTION tb_lapse_ratio(lapse INT64, other INT64) RETURNS NUMERIC AS (
    tb_over(CAST(lapse AS NUMERIC), CAST(other AS NUMERIC)));
CREATE TEMP FUNCTION tb_mean(total NUMERIC, number INT64) RETURNS NUMERIC AS (
    CASE WHEN number > 0 THEN tb_over(total, CAST(number AS NUMERIC)) END);

-- Texts ------------------------------------------------------------------------------------------

-- One character for one: of all letters only İ has two small ones, and only Σ has a small one that
-- depends on its neighbours.
CREATE TEMP FUNCTION tb_lower(text STRING) RETURNS STRING AS (
    CASE WHEN text IS NOT NULL THEN ARRAY_TO_STRING(ARRAY(
        SELECT LOWER(REPLACE(part, 'Σ', 'σ'))
        FROM UNNEST(SPLIT(text, 'İ')) AS part WITH OFFSET AS i ORDER BY i), 'İ') END);
CREATE TEMP FUNCTION tb_contains(text STRING, part STRING) RETURNS BOOL AS (
    STRPOS(text, part) > 0 OR part = '');
CREATE TEMP FUNCTION tb_starts(text STRING, part STRING) RETURNS BOOL AS (
    STARTS_WITH(text, part));
CREATE TEMP FUNCTION tb_ends(text STRING, part STRING) RETURNS BOOL AS (ENDS_WITH(text, part));
CREATE TEMP FUNCTION tb_characters(text STRING) RETURNS NUMERIC AS (
    CAST(CHAR_LENGTH(text) AS NUMERIC));

-- Time -------------------------------------------------------------------------------------------

-- A day that does not exist becomes the first instant of the following month.
CREATE TEMP FUNCTION tb_months_on(stamp DATETIME, months INT64) RETURNS INT64 AS (
    CASE
        WHEN EXTRACT(YEAR FROM stamp) * 12 + EXTRACT(MONTH FROM stamp) + months > 119976
            THEN 253402300799000000
        ELSE LEAST(
            UNIX_MICROS(TIMESTAMP(
                DATETIME_ADD(DATETIME_TRUNC(stamp, MONTH), INTERVAL months MONTH)))
                + DATETIME_DIFF(stamp, DATETIME_TRUNC(stamp, MONTH), MICROSECOND),
            UNIX_MICROS(TIMESTAMP(
                DATETIME_ADD(DATETIME_TRUNC(stamp, MONTH), INTERVAL months + 1 MONTH)))) END);
CREATE TEMP FUNCTION tb_after_months(micros INT64, months INT64) RETURNS INT64 AS (
    CASE WHEN micros IS NOT NULL THEN tb_months_on(
        DATETIME(TIMESTAMP_MICROS(
            GREATEST(LEAST(micros, 253402300799000000), -62135596800000000))),
        months) END);
CREATE TEMP FUNCTION tb_after(micros INT64, lapse INT64) RETURNS INT64 AS (
    LEAST(micros + lapse, 253402300799000000));
CREATE TEMP FUNCTION tb_local(micros INT64, zone STRING) RETURNS DATETIME AS (
    DATETIME(TIMESTAMP_MICROS(micros), zone));
CREATE TEMP FUNCTION tb_hour(micros INT64, zone STRING) RETURNS NUMERIC AS (
    CAST(EXTRACT(HOUR FROM tb_local(micros, zone)) AS NUMERIC));
-- Sunday is 1 here.
CREATE TEMP FUNCTION tb_weekday(micros INT64, zone STRING) RETURNS NUMERIC AS (
    CAST(MOD(EXTRACT(DAYOFWEEK FROM tb_local(micros, zone)) + 5, 7) + 1 AS NUMERIC));
CREATE TEMP FUNCTION tb_month(micros INT64, zone STRING) RETURNS NUMERIC AS (
    CAST(EXTRACT(MONTH FROM tb_local(micros, zone)) AS NUMERIC));
CREATE TEMP FUNCTION tb_date(micros INT64, zone STRING) RETURNS STRING AS (
    CAST(DATE(tb_local(micros, zone)) AS STRING));
-- The forms of ISO 8601 that `datetime.fromisoformat` reads, in the extended one.
CREATE TEMP FUNCTION tb_day(text STRING) RETURNS DATE AS (
    CASE
        WHEN REGEXP_CONTAINS(text, r'^\d{4}-\d{2}-\d{2}') THEN SAFE_CAST(LEFT(text, 10) AS DATE)
        WHEN REGEXP_CONTAINS(text, r'^\d{4}-W\d{2}-\d') THEN CAST(ERROR(
            'tailorbird: a date of this form is not read here; write 2026-01-31') AS DATE) END);
CREATE TEMP FUNCTION tb_day_of_instant(micros INT64) RETURNS DATE AS (
    DATE(TIMESTAMP_MICROS(micros)));
CREATE TEMP FUNCTION tb_same_day(day DATE, today DATE) RETURNS BOOL AS (
    COALESCE(
        EXTRACT(MONTH FROM day) = EXTRACT(MONTH FROM today)
            AND EXTRACT(DAY FROM day) = EXTRACT(DAY FROM today)
        OR EXTRACT(MONTH FROM day) = 2 AND EXTRACT(DAY FROM day) = 29
            AND EXTRACT(MONTH FROM today) = 2 AND EXTRACT(DAY FROM today) = 28
            AND today = LAST_DAY(today, MONTH), FALSE));
CREATE TEMP FUNCTION tb_falls_on(day DATE, micros INT64, zone STRING) RETURNS BOOL AS (
    tb_same_day(day, DATE(tb_local(micros, zone))));
CREATE TEMP FUNCTION tb_seconds(hours STRING, minutes STRING, seconds STRING) RETURNS INT64 AS (
    COALESCE(SAFE_CAST(hours AS INT64), 0) * 3600
    + COALESCE(SAFE_CAST(minutes AS INT64), 0) * 60
    + COALESCE(SAFE_CAST(seconds AS INT64), 0));
CREATE TEMP FUNCTION tb_shift(zone STRING) RETURNS INT64 AS (
    CASE WHEN STARTS_WITH(zone, '-') THEN -1000000 ELSE 1000000 END
    * tb_seconds(SUBSTR(zone, 2, 2), SUBSTR(zone, 4, 2), SUBSTR(zone, 6, 2)));
CREATE TEMP FUNCTION tb_micros_of_day(clock STRING) RETURNS INT64 AS (
    tb_seconds(SUBSTR(clock, 1, 2), REGEXP_EXTRACT(clock, r'^\d\d:(\d\d)'),
        REGEXP_EXTRACT(clock, r'^\d\d:\d\d:(\d\d)')) * 1000000
    + COALESCE(SAFE_CAST(
        LEFT(RPAD(REGEXP_EXTRACT(clock, r'[.,](\d+)'), 6, '0'), 6) AS INT64), 0)
    - COALESCE(tb_shift(REPLACE(REGEXP_EXTRACT(clock, r'([+-].*)$'), ':', '')), 0));
CREATE TEMP FUNCTION tb_midnight(text STRING) RETURNS INT64 AS (
    UNIX_MICROS(TIMESTAMP(SAFE_CAST(LEFT(text, 10) AS DATE))));
CREATE TEMP FUNCTION tb_read_trimmed(text STRING) RETURNS INT64 AS (
    CASE
        WHEN REGEXP_CONTAINS(text, r'^\d{4}-\d{2}-\d{2}$') THEN tb_midnight(text)
        WHEN REGEXP_CONTAINS(text, r'^\d{4}-\d{2}-\d{2}.([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d([.,]\d+)?)?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d(:?[0-5]\d)?)?)?$')
            THEN tb_midnight(text) + tb_micros_of_day(SUBSTR(text, 12))
        WHEN REGEXP_CONTAINS(text, r'^\d{4}-?W\d{2}|^\d{8}') THEN CAST(ERROR(
            'tailorbird: a date of this form is not read here; write 2026-01-31') AS INT64) END);
CREATE TEMP FUNCTION tb_read_instant(text STRING) RETURNS INT64 AS (tb_read_trimmed(TRIM(text)));
