-- The functions that compiled expressions call, for Spark 4. They are written out in each query: a
-- function of Spark's own takes no part in lambdas nor in LATERAL VIEW. A value of the language is
-- one column for each type; numbers are DECIMAL(38, 9), instants and spans are microseconds, JSON
-- is VARIANT.

CREATE OR REPLACE TEMPORARY FUNCTION tb_micros(stamp TIMESTAMP) RETURNS BIGINT
RETURN unix_micros(stamp);
CREATE OR REPLACE TEMPORARY FUNCTION tb_instant(micros BIGINT) RETURNS TIMESTAMP
RETURN timestamp_micros(micros);
-- A place in the total order, as one number.
CREATE OR REPLACE TEMPORARY FUNCTION tb_place(stamp TIMESTAMP, event_order BIGINT)
RETURNS DECIMAL(38, 0)
RETURN CAST(unix_micros(stamp) AS DECIMAL(38, 0)) * 9223372036854775808 + event_order;
CREATE OR REPLACE TEMPORARY FUNCTION tb_micros_of_place(place DECIMAL(38, 0)) RETURNS BIGINT
RETURN CAST((place - pmod(place, 9223372036854775808)) / 9223372036854775808 AS BIGINT);

-- JSON -------------------------------------------------------------------------------------------

CREATE OR REPLACE TEMPORARY FUNCTION tb_kind(value VARIANT) RETURNS STRING
RETURN coalesce(substring_index(substring_index(schema_of_variant(value), '<', 1), '(', 1), 'VOID');
CREATE OR REPLACE TEMPORARY FUNCTION tb_is_value(value VARIANT) RETURNS BOOLEAN
RETURN tb_kind(value) <> 'VOID';
CREATE OR REPLACE TEMPORARY FUNCTION tb_has_members(object VARIANT) RETURNS BOOLEAN
RETURN coalesce(schema_of_variant(object) LIKE 'OBJECT<_%>', false);
CREATE OR REPLACE TEMPORARY FUNCTION tb_get(object VARIANT, name STRING) RETURNS VARIANT
RETURN try_variant_get(object, concat('$["', name, '"]'), 'variant');
-- What stands under a name in an item of a list, as a list.
CREATE OR REPLACE TEMPORARY FUNCTION tb_each(value VARIANT) RETURNS ARRAY<VARIANT>
RETURN CASE
    WHEN coalesce(schema_of_variant(value), 'VOID') = 'VOID' THEN CAST(array() AS ARRAY<VARIANT>)
    WHEN schema_of_variant(value) LIKE 'ARRAY%' THEN try_variant_get(value, '$', 'array<variant>')
    ELSE array(value) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_found_deep(value VARIANT, name STRING)
RETURNS ARRAY<VARIANT>
RETURN CASE
    WHEN schema_of_variant(value) LIKE 'ARRAY%' THEN flatten(transform(
        try_variant_get(value, '$', 'array<variant>'),
        y -> CASE
            WHEN schema_of_variant(y) LIKE 'ARRAY%' THEN CAST(raise_error(
                'tailorbird: a path leads through lists that are nested three deep')
                AS ARRAY<VARIANT>)
            ELSE tb_each(tb_get(y, name)) END))
    ELSE tb_each(tb_get(value, name)) END;
-- A path through a list flattens.
CREATE OR REPLACE TEMPORARY FUNCTION tb_at(value VARIANT, name STRING) RETURNS VARIANT
RETURN CASE
    WHEN schema_of_variant(value) LIKE 'ARRAY%' THEN to_variant_object(flatten(transform(
        try_variant_get(value, '$', 'array<variant>'), x -> tb_found_deep(x, name))))
    ELSE tb_get(value, name) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_text(value VARIANT) RETURNS STRING
RETURN CASE WHEN schema_of_variant(value) = 'STRING'
    THEN try_variant_get(value, '$', 'string') END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_truth(value VARIANT) RETURNS BOOLEAN
RETURN CASE WHEN schema_of_variant(value) = 'BOOLEAN'
    THEN try_variant_get(value, '$', 'boolean') END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_items(value VARIANT) RETURNS VARIANT
RETURN CASE WHEN schema_of_variant(value) LIKE 'ARRAY%' THEN value END;
-- Half even to nine places; 25 places tell every double from a tie.
CREATE OR REPLACE TEMPORARY FUNCTION tb_rounded(exact DECIMAL(38, 25)) RETURNS DECIMAL(38, 9)
RETURN CASE WHEN abs(exact) <= 1000000000000 THEN CAST(bround(exact, 9) AS DECIMAL(38, 9)) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_number(value VARIANT) RETURNS DECIMAL(38, 9)
RETURN CASE
    WHEN schema_of_variant(value) IN ('BIGINT', 'DOUBLE')
        OR schema_of_variant(value) LIKE 'DECIMAL%'
    THEN tb_rounded(try_cast(try_variant_get(value, '$', 'string') AS DECIMAL(38, 25))) END;
-- Equal for equal values only: the type is part of it.
CREATE OR REPLACE TEMPORARY FUNCTION tb_key(value VARIANT) RETURNS STRING
RETURN CASE
    WHEN schema_of_variant(value) = 'STRING' THEN concat('t:', tb_text(value))
    WHEN schema_of_variant(value) = 'BOOLEAN' THEN concat('b:', CAST(tb_truth(value) AS STRING))
    WHEN schema_of_variant(value) LIKE 'ARRAY%' THEN concat('l:', to_json(value))
    ELSE concat('n:', CAST(tb_number(value) AS STRING)) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_key_of(number DECIMAL(38, 9), text STRING, truth BOOLEAN)
RETURNS STRING
RETURN coalesce(concat('n:', CAST(number AS STRING)), concat('t:', text),
    concat('b:', CAST(truth AS STRING)));
CREATE OR REPLACE TEMPORARY FUNCTION tb_length(items VARIANT) RETURNS DECIMAL(38, 9)
RETURN CAST(size(try_variant_get(items, '$', 'array<variant>')) AS DECIMAL(38, 9));
CREATE OR REPLACE TEMPORARY FUNCTION tb_has_key(items VARIANT, key STRING) RETURNS BOOLEAN
RETURN coalesce(
    array_contains(transform(try_variant_get(items, '$', 'array<variant>'),
        x -> coalesce(tb_key(x), '')), key), false);

-- Numbers ----------------------------------------------------------------------------------------

CREATE OR REPLACE TEMPORARY FUNCTION tb_scaled(number DECIMAL(38, 9)) RETURNS DECIMAL(38, 0)
RETURN CAST(replace(CAST(number AS STRING), '.', '') AS DECIMAL(38, 0));
CREATE OR REPLACE TEMPORARY FUNCTION tb_unscaled(scaled DECIMAL(38, 0)) RETURNS DECIMAL(38, 9)
RETURN CAST((scaled - scaled % 1000000000) / 1000000000 AS DECIMAL(38, 9))
    + CAST(CAST(scaled % 1000000000 AS DECIMAL(10, 0)) * 0.000000001 AS DECIMAL(38, 9));
CREATE OR REPLACE TEMPORARY FUNCTION tb_rest_up(
    whole DECIMAL(38, 0), rest DECIMAL(38, 0), divisor DECIMAL(38, 0)) RETURNS DECIMAL(38, 0)
RETURN whole + CASE WHEN 2 * rest > divisor THEN 1 WHEN 2 * rest = divisor THEN whole % 2 ELSE 0 END;
-- A quotient leaves 20 digits before the point: the numerator is divided in two parts.
CREATE OR REPLACE TEMPORARY FUNCTION tb_exact(
    numerator DECIMAL(38, 0), denominator DECIMAL(38, 0)) RETURNS DECIMAL(38, 0)
RETURN (numerator - numerator % denominator) / denominator;
CREATE OR REPLACE TEMPORARY FUNCTION tb_long(
    high DECIMAL(38, 0), low DECIMAL(38, 0), denominator DECIMAL(38, 0)) RETURNS DECIMAL(38, 0)
RETURN tb_exact(high, denominator) * 1000000000000000000
    + tb_exact(high % denominator * 1000000000000000000 + low, denominator);
CREATE OR REPLACE TEMPORARY FUNCTION tb_whole(
    numerator DECIMAL(38, 0), denominator DECIMAL(38, 0)) RETURNS DECIMAL(38, 0)
RETURN tb_long(tb_exact(numerator, 1000000000000000000),
    numerator % 1000000000000000000, denominator);
CREATE OR REPLACE TEMPORARY FUNCTION tb_half_even(
    numerator DECIMAL(38, 0), denominator DECIMAL(38, 0)) RETURNS DECIMAL(38, 0)
RETURN CAST(sign(numerator) * sign(denominator) AS DECIMAL(1, 0)) * tb_rest_up(
    tb_whole(abs(numerator), abs(denominator)),
    abs(numerator) % abs(denominator), abs(denominator));
-- a * b / 10^9, where a * b itself may be too large.
CREATE OR REPLACE TEMPORARY FUNCTION tb_product(scaled DECIMAL(38, 0), other DECIMAL(38, 0))
RETURNS DECIMAL(38, 0)
RETURN CAST(sign(scaled) * sign(other) AS DECIMAL(1, 0)) * tb_rest_up(
    CAST((abs(scaled) - abs(scaled) % 1000000000) / 1000000000 AS DECIMAL(38, 0)) * abs(other)
        + CAST((abs(scaled) % 1000000000 * abs(other)
            - abs(scaled) % 1000000000 * abs(other) % 1000000000) / 1000000000
            AS DECIMAL(38, 0)),
    abs(scaled) % 1000000000 * abs(other) % 1000000000, 1000000000);
CREATE OR REPLACE TEMPORARY FUNCTION tb_times(
    left_number DECIMAL(38, 9), right_number DECIMAL(38, 9)) RETURNS DECIMAL(38, 9)
RETURN tb_unscaled(tb_product(tb_scaled(left_number), tb_scaled(right_number)));
CREATE OR REPLACE TEMPORARY FUNCTION tb_over(
    left_number DECIMAL(38, 9), right_number DECIMAL(38, 9)) RETURNS DECIMAL(38, 9)
RETURN CASE WHEN right_number <> 0 THEN tb_unscaled(tb_half_even(
    tb_scaled(left_number) * 1000000000, tb_scaled(right_number))) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_lapse_times(lapse BIGINT, number DECIMAL(38, 9))
RETURNS BIGINT
RETURN CAST(tb_product(tb_scaled(number), CAST(lapse AS DECIMAL(38, 0))) AS BIGINT);
CREATE OR REPLACE TEMPORARY FUNCTION tb_lapse_over(lapse BIGINT, number DECIMAL(38, 9))
RETURNS BIGINT
RETURN CASE WHEN number <> 0 THEN CAST(tb_half_even(
    CAST(lapse AS DECIMAL(38, 0)) * 1000000000, tb_scaled(number)) AS BIGINT) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_lapse_ratio(lapse BIGINT, other BIGINT)
RETURNS DECIMAL(38, 9)
RETURN CASE WHEN other <> 0 THEN tb_unscaled(tb_half_even(
    CAST(lapse AS DECIMAL(38, 0)) * 1000000000, CAST(other AS DECIMAL(38, 0)))) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_mean(total DECIMAL(38, 9), number BIGINT)
RETURNS DECIMAL(38, 9)
RETURN CASE WHEN number > 0 THEN tb_unscaled(tb_half_even(
    tb_scaled(total), CAST(number AS DECIMAL(38, 0)))) END;

-- Texts: Spark has no normal form, so that texts must be stored in NFC ---------------------------

-- One character for one: of all letters only İ has two small ones, and only Σ has a small one that
-- depends on its neighbours.
CREATE OR REPLACE TEMPORARY FUNCTION tb_lower(text STRING) RETURNS STRING
RETURN array_join(transform(split(text, 'İ'), x -> lower(replace(x, 'Σ', 'σ'))), 'İ');
CREATE OR REPLACE TEMPORARY FUNCTION tb_contains(text STRING, part STRING) RETURNS BOOLEAN
RETURN contains(text, part);
CREATE OR REPLACE TEMPORARY FUNCTION tb_starts(text STRING, part STRING) RETURNS BOOLEAN
RETURN startswith(text, part);
CREATE OR REPLACE TEMPORARY FUNCTION tb_ends(text STRING, part STRING) RETURNS BOOLEAN
RETURN endswith(text, part);
CREATE OR REPLACE TEMPORARY FUNCTION tb_characters(text STRING) RETURNS DECIMAL(38, 9)
RETURN CAST(char_length(text) AS DECIMAL(38, 9));

-- Time -------------------------------------------------------------------------------------------

-- A day that does not exist becomes the first instant of the following month. `least` and
-- `greatest` pass over nulls here, so that what is missing is asked for first.
CREATE OR REPLACE TEMPORARY FUNCTION tb_months_on(stamp TIMESTAMP, months INT) RETURNS BIGINT
RETURN CASE
    WHEN year(date_trunc('MONTH', stamp)) * 12 + month(stamp) + months > 119976
        THEN 253402300799000000
    ELSE least(
        unix_micros(date_trunc('MONTH', stamp) + make_ym_interval(0, months))
            + unix_micros(stamp) - unix_micros(date_trunc('MONTH', stamp)),
        unix_micros(date_trunc('MONTH', stamp) + make_ym_interval(0, months + 1))) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_after_months(micros BIGINT, months INT) RETURNS BIGINT
RETURN CASE WHEN micros IS NOT NULL THEN tb_months_on(
    timestamp_micros(greatest(least(micros, 253402300799000000), -62135596800000000)),
    months) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_after(micros BIGINT, lapse BIGINT) RETURNS BIGINT
RETURN CASE WHEN micros IS NOT NULL THEN least(micros + lapse, 253402300799000000) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_local(micros BIGINT, zone STRING) RETURNS TIMESTAMP
RETURN from_utc_timestamp(timestamp_micros(micros), zone);
CREATE OR REPLACE TEMPORARY FUNCTION tb_hour(micros BIGINT, zone STRING) RETURNS DECIMAL(38, 9)
RETURN CAST(hour(tb_local(micros, zone)) AS DECIMAL(38, 9));
CREATE OR REPLACE TEMPORARY FUNCTION tb_weekday(micros BIGINT, zone STRING) RETURNS DECIMAL(38, 9)
RETURN CAST(weekday(tb_local(micros, zone)) + 1 AS DECIMAL(38, 9));
CREATE OR REPLACE TEMPORARY FUNCTION tb_month(micros BIGINT, zone STRING) RETURNS DECIMAL(38, 9)
RETURN CAST(month(tb_local(micros, zone)) AS DECIMAL(38, 9));
CREATE OR REPLACE TEMPORARY FUNCTION tb_date(micros BIGINT, zone STRING) RETURNS STRING
RETURN date_format(tb_local(micros, zone), 'yyyy-MM-dd');
-- The forms of ISO 8601 that `datetime.fromisoformat` reads, in the extended one.
CREATE OR REPLACE TEMPORARY FUNCTION tb_day(text STRING) RETURNS DATE
RETURN CASE
    WHEN text RLIKE r'^\d{4}-\d{2}-\d{2}' THEN try_cast(left(text, 10) AS DATE)
    WHEN text RLIKE r'^\d{4}-W\d{2}-\d' THEN CAST(raise_error(
        'tailorbird: a date of this form is not read here; write 2026-01-31') AS DATE) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_day_of_instant(micros BIGINT) RETURNS DATE
RETURN CAST(timestamp_micros(micros) AS DATE);
CREATE OR REPLACE TEMPORARY FUNCTION tb_falls_on(day DATE, micros BIGINT, zone STRING)
RETURNS BOOLEAN
RETURN coalesce(
    date_format(day, 'MM-dd') = date_format(tb_local(micros, zone), 'MM-dd')
    OR (date_format(day, 'MM-dd') = '02-29'
        AND date_format(tb_local(micros, zone), 'MM-dd') = '02-28'
        AND day(last_day(tb_local(micros, zone))) = 28), false);
CREATE OR REPLACE TEMPORARY FUNCTION tb_part(text STRING, at INT) RETURNS BIGINT
RETURN coalesce(try_cast(regexp_extract(
    text, r'^.{11}(\d\d):?(\d\d)?:?(\d\d)?[.,]?(\d*)(Z|[+-].*)?$', at) AS BIGINT), 0);
CREATE OR REPLACE TEMPORARY FUNCTION tb_shift(zone STRING) RETURNS BIGINT
RETURN CASE WHEN left(zone, 1) = '-' THEN -1000000 ELSE 1000000 END * (
    coalesce(try_cast(substr(zone, 2, 2) AS BIGINT), 0) * 3600
    + coalesce(try_cast(substr(zone, 4, 2) AS BIGINT), 0) * 60
    + coalesce(try_cast(substr(zone, 6, 2) AS BIGINT), 0));
CREATE OR REPLACE TEMPORARY FUNCTION tb_micros_of_day(text STRING) RETURNS BIGINT
RETURN (tb_part(text, 1) * 3600 + tb_part(text, 2) * 60 + tb_part(text, 3)) * 1000000
    + coalesce(try_cast(left(rpad(regexp_extract(
        text, r'^.{11}(\d\d):?(\d\d)?:?(\d\d)?[.,]?(\d*)', 4), 6, '0'), 6) AS BIGINT), 0)
    - tb_shift(replace(regexp_extract(text, r'^.{11}[^Z+-]*(Z|[+-].*)?$', 1), ':', ''));
CREATE OR REPLACE TEMPORARY FUNCTION tb_read_trimmed(text STRING) RETURNS BIGINT
RETURN CASE
    WHEN text RLIKE r'^\d{4}-\d{2}-\d{2}$'
        THEN unix_micros(CAST(try_cast(text AS DATE) AS TIMESTAMP))
    WHEN text RLIKE r'^\d{4}-\d{2}-\d{2}.([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d([.,]\d+)?)?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d(:?[0-5]\d)?)?)?$'
        THEN unix_micros(CAST(try_cast(left(text, 10) AS DATE) AS TIMESTAMP))
            + tb_micros_of_day(text)
    WHEN text RLIKE r'^\d{4}-?W\d{2}|^\d{8}' THEN CAST(raise_error(
        'tailorbird: a date of this form is not read here; write 2026-01-31') AS BIGINT) END;
CREATE OR REPLACE TEMPORARY FUNCTION tb_read_instant(text STRING) RETURNS BIGINT
RETURN tb_read_trimmed(trim(text));
