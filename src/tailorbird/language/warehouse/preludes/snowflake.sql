-- The functions that compiled expressions call, for Snowflake: temporary ones, gone with the
-- session. A value of the language is one column for each type; numbers are NUMBER(38, 9), instants
-- and spans are microseconds, JSON is VARIANT, stamps are TIMESTAMP_NTZ in UTC. A product keeps
-- 12 places and a quotient 6, both rounded, so that whole numbers are multiplied and divided.

CREATE OR REPLACE TEMPORARY FUNCTION tb_micros(stamp TIMESTAMP_NTZ) RETURNS NUMBER(38, 0)
AS $$ DATE_PART(EPOCH_MICROSECOND, stamp) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_instant(micros NUMBER(38, 0)) RETURNS TIMESTAMP_NTZ
AS $$ TO_TIMESTAMP_NTZ(micros, 6) $$;
-- A place in the total order, as one number.
CREATE OR REPLACE TEMPORARY FUNCTION tb_place(stamp TIMESTAMP_NTZ, event_order NUMBER(38, 0))
RETURNS NUMBER(38, 0)
AS $$ DATE_PART(EPOCH_MICROSECOND, stamp) * 9223372036854775808 + event_order $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_micros_of_place(place NUMBER(38, 0)) RETURNS NUMBER(38, 0)
AS $$ (place - MOD(MOD(place, 9223372036854775808) + 9223372036854775808, 9223372036854775808))
    / 9223372036854775808 $$;

-- JSON -------------------------------------------------------------------------------------------

CREATE OR REPLACE TEMPORARY FUNCTION tb_get(object VARIANT, name VARCHAR) RETURNS VARIANT
AS $$ GET(object, name) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_is_value(value VARIANT) RETURNS BOOLEAN
AS $$ COALESCE(TYPEOF(value), 'NULL_VALUE') <> 'NULL_VALUE' $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_has_members(object VARIANT) RETURNS BOOLEAN
AS $$ COALESCE(TYPEOF(object) = 'OBJECT' AND ARRAY_SIZE(OBJECT_KEYS(object)) > 0, FALSE) $$;
-- A path through a list flattens. `undefined` is NULL, `null` is the null of JSON.
CREATE OR REPLACE TEMPORARY FUNCTION tb_at(value VARIANT, name VARCHAR) RETURNS VARIANT
LANGUAGE JAVASCRIPT IMMUTABLE AS $$
    function at(value) {
        if (Array.isArray(value)) {
            let flat = [];
            for (const item of value) {
                const found = at(item);
                if (Array.isArray(found)) flat = flat.concat(found);
                else if (found !== null && found !== undefined) flat.push(found);
            }
            return flat;
        }
        if (value === null || typeof value !== 'object') return undefined;
        return Object.prototype.hasOwnProperty.call(value, NAME) ? value[NAME] : undefined;
    }
    return at(VALUE);
$$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_nfc(text VARCHAR) RETURNS VARCHAR
LANGUAGE JAVASCRIPT IMMUTABLE STRICT AS $$ return TEXT.normalize('NFC'); $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_text(value VARIANT) RETURNS VARCHAR
AS $$ CASE TYPEOF(value) WHEN 'VARCHAR' THEN tb_nfc(CAST(value AS VARCHAR)) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_truth(value VARIANT) RETURNS BOOLEAN
AS $$ CASE TYPEOF(value) WHEN 'BOOLEAN' THEN CAST(value AS BOOLEAN) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_items(value VARIANT) RETURNS VARIANT
AS $$ CASE TYPEOF(value) WHEN 'ARRAY' THEN value END $$;
-- For each item a text that is equal for equal values only: the type is part of it. Of a number the
-- digits times 10^9, half even, from the shortest text that names it; null above 10^12 in size.
CREATE OR REPLACE TEMPORARY FUNCTION tb_keys(items VARIANT) RETURNS ARRAY
LANGUAGE JAVASCRIPT IMMUTABLE AS $$
    function digits(number) {
        if (!(Math.abs(number) <= 1e12)) return null;
        const parts = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(number));
        const fraction = parts[3] || '';
        const shift = Number(parts[4] || 0) - fraction.length + 9;
        let all = parts[2] + fraction;
        if (shift >= 0) all += '0'.repeat(shift);
        else {
            all = '0'.repeat(Math.max(0, 1 - shift - all.length)) + all;
            const whole = ('0' + all.slice(0, shift)).split('');
            const rest = all.slice(shift);
            const half = '5' + '0'.repeat(rest.length - 1);
            let at = whole.length - 1;
            let carry = rest > half || (rest === half && Number(whole[at]) % 2 === 1);
            for (; carry; at -= 1) {
                carry = whole[at] === '9';
                whole[at] = carry ? '0' : String(Number(whole[at]) + 1);
            }
            all = whole.join('');
        }
        all = all.replace(/^0+(?=\d)/, '');
        return all === '0' ? all : parts[1] + all;
    }
    function key(item) {
        if (typeof item === 'string') return 't:' + item.normalize('NFC');
        if (typeof item === 'boolean') return 'b:' + item;
        if (Array.isArray(item)) return 'l:' + JSON.stringify(item);
        const found = typeof item === 'number' ? digits(item) : null;
        return found === null ? null : 'n:' + found;
    }
    return Array.isArray(ITEMS) ? ITEMS.map(key) : undefined;
$$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_key(value VARIANT) RETURNS VARCHAR
AS $$ CASE WHEN tb_is_value(value)
    THEN CAST(GET(tb_keys(CAST(ARRAY_CONSTRUCT(value) AS VARIANT)), 0) AS VARCHAR) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_unscaled(scaled NUMBER(38, 0)) RETURNS NUMBER(38, 9)
AS $$ CAST((scaled - MOD(scaled, 1000000000)) / 1000000000 AS NUMBER(38, 9))
    + CAST(CAST(MOD(scaled, 1000000000) AS NUMBER(10, 0)) * 0.000000001 AS NUMBER(38, 9)) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_number(value VARIANT) RETURNS NUMBER(38, 9)
AS $$ CASE WHEN TYPEOF(value) IN ('INTEGER', 'DECIMAL', 'DOUBLE')
    THEN tb_unscaled(TO_NUMBER(SUBSTR(tb_key(value), 3), 38, 0)) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_scaled(number NUMBER(38, 9)) RETURNS NUMBER(38, 0)
AS $$ TO_NUMBER(REPLACE(CAST(CAST(number AS NUMBER(38, 9)) AS VARCHAR), '.', ''), 38, 0) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_key_of(
    number NUMBER(38, 9), text VARCHAR, truth BOOLEAN) RETURNS VARCHAR
AS $$ COALESCE('n:' || CAST(tb_scaled(number) AS VARCHAR), 't:' || text,
    'b:' || CAST(truth AS VARCHAR)) $$;
-- The elements of a list, or the one value there is.
CREATE OR REPLACE TEMPORARY FUNCTION tb_each(value VARIANT) RETURNS ARRAY
AS $$ CASE COALESCE(TYPEOF(value), 'NULL_VALUE')
    WHEN 'NULL_VALUE' THEN ARRAY_CONSTRUCT()
    WHEN 'ARRAY' THEN CAST(value AS ARRAY)
    ELSE ARRAY_CONSTRUCT(value) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_length(items VARIANT) RETURNS NUMBER(38, 9)
AS $$ CAST(ARRAY_SIZE(items) AS NUMBER(38, 9)) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_has_key(items VARIANT, key VARCHAR) RETURNS BOOLEAN
AS $$ COALESCE(ARRAY_CONTAINS(CAST(key AS VARIANT), tb_keys(items)), FALSE) $$;

-- Numbers ----------------------------------------------------------------------------------------

CREATE OR REPLACE TEMPORARY FUNCTION tb_rest_up(
    whole NUMBER(38, 0), rest NUMBER(38, 0), divisor NUMBER(38, 0)) RETURNS NUMBER(38, 0)
AS $$ whole + CASE
    WHEN 2 * rest > divisor THEN 1 WHEN 2 * rest = divisor THEN MOD(whole, 2) ELSE 0 END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_half_even(
    numerator NUMBER(38, 0), denominator NUMBER(38, 0)) RETURNS NUMBER(38, 0)
AS $$ SIGN(numerator) * SIGN(denominator) * tb_rest_up(
    CAST((ABS(numerator) - MOD(ABS(numerator), ABS(denominator))) / ABS(denominator)
        AS NUMBER(38, 0)),
    MOD(ABS(numerator), ABS(denominator)), ABS(denominator)) $$;
-- a * b / 10^9, where a * b itself may be too large.
CREATE OR REPLACE TEMPORARY FUNCTION tb_product(scaled NUMBER(38, 0), other NUMBER(38, 0))
RETURNS NUMBER(38, 0)
AS $$ SIGN(scaled) * SIGN(other) * tb_rest_up(
    CAST((ABS(scaled) - MOD(ABS(scaled), 1000000000)) / 1000000000 AS NUMBER(38, 0)) * ABS(other)
        + CAST((MOD(ABS(scaled), 1000000000) * ABS(other)
            - MOD(MOD(ABS(scaled), 1000000000) * ABS(other), 1000000000)) / 1000000000
            AS NUMBER(38, 0)),
    MOD(MOD(ABS(scaled), 1000000000) * ABS(other), 1000000000), 1000000000) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_times(
    left_number NUMBER(38, 9), right_number NUMBER(38, 9)) RETURNS NUMBER(38, 9)
AS $$ tb_unscaled(tb_product(tb_scaled(left_number), tb_scaled(right_number))) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_over(
    left_number NUMBER(38, 9), right_number NUMBER(38, 9)) RETURNS NUMBER(38, 9)
AS $$ CASE WHEN right_number <> 0 THEN tb_unscaled(tb_half_even(
    tb_scaled(left_number) * 1000000000, tb_scaled(right_number))) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_lapse_times(lapse NUMBER(38, 0), number NUMBER(38, 9))
RETURNS NUMBER(38, 0)
AS $$ tb_product(tb_scaled(number), lapse) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_lapse_over(lapse NUMBER(38, 0), number NUMBER(38, 9))
RETURNS NUMBER(38, 0)
AS $$ CASE WHEN number <> 0 THEN tb_half_even(lapse * 1000000000, tb_scaled(number)) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_lapse_ratio(lapse NUMBER(38, 0), other NUMBER(38, 0))
RETURNS NUMBER(38, 9)
AS $$ CASE WHEN other <> 0 THEN tb_unscaled(tb_half_even(lapse * 1000000000, other)) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_mean(total NUMBER(38, 9), number NUMBER(38, 0))
RETURNS NUMBER(38, 9)
AS $$ CASE WHEN number > 0 THEN tb_unscaled(tb_half_even(tb_scaled(total), number)) END $$;

-- Texts ------------------------------------------------------------------------------------------

-- One character for one: of all letters only İ has two small ones, and only Σ has a small one that
-- depends on its neighbours.
CREATE OR REPLACE TEMPORARY FUNCTION tb_lower(text VARCHAR) RETURNS VARCHAR
LANGUAGE JAVASCRIPT IMMUTABLE STRICT AS $$
    return TEXT.split('İ').map(part => part.replace(/Σ/g, 'σ').toLowerCase()).join('İ');
$$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_contains(text VARCHAR, part VARCHAR) RETURNS BOOLEAN
AS $$ CONTAINS(text, part) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_starts(text VARCHAR, part VARCHAR) RETURNS BOOLEAN
AS $$ STARTSWITH(text, part) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_ends(text VARCHAR, part VARCHAR) RETURNS BOOLEAN
AS $$ ENDSWITH(text, part) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_characters(text VARCHAR) RETURNS NUMBER(38, 9)
AS $$ CAST(LENGTH(text) AS NUMBER(38, 9)) $$;

-- Time -------------------------------------------------------------------------------------------

-- A day that does not exist becomes the first instant of the following month.
CREATE OR REPLACE TEMPORARY FUNCTION tb_months_on(stamp TIMESTAMP_NTZ, months NUMBER(38, 0))
RETURNS NUMBER(38, 0)
AS $$ CASE
    WHEN YEAR(stamp) * 12 + MONTH(stamp) + months > 119976 THEN 253402300799000000
    ELSE LEAST(
        tb_micros(DATEADD(MONTH, months, DATE_TRUNC('MONTH', stamp)))
            + tb_micros(stamp) - tb_micros(DATE_TRUNC('MONTH', stamp)),
        tb_micros(DATEADD(MONTH, months + 1, DATE_TRUNC('MONTH', stamp)))) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_after_months(micros NUMBER(38, 0), months NUMBER(38, 0))
RETURNS NUMBER(38, 0)
AS $$ CASE WHEN micros IS NOT NULL THEN tb_months_on(TO_TIMESTAMP_NTZ(
    GREATEST(LEAST(micros, 253402300799000000), -62135596800000000), 6), months) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_after(micros NUMBER(38, 0), lapse NUMBER(38, 0))
RETURNS NUMBER(38, 0)
AS $$ LEAST(micros + lapse, 253402300799000000) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_local(micros NUMBER(38, 0), zone VARCHAR)
RETURNS TIMESTAMP_NTZ
AS $$ CONVERT_TIMEZONE('UTC', zone, TO_TIMESTAMP_NTZ(micros, 6)) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_hour(micros NUMBER(38, 0), zone VARCHAR)
RETURNS NUMBER(38, 9)
AS $$ CAST(HOUR(tb_local(micros, zone)) AS NUMBER(38, 9)) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_weekday(micros NUMBER(38, 0), zone VARCHAR)
RETURNS NUMBER(38, 9)
AS $$ CAST(DAYOFWEEKISO(tb_local(micros, zone)) AS NUMBER(38, 9)) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_month(micros NUMBER(38, 0), zone VARCHAR)
RETURNS NUMBER(38, 9)
AS $$ CAST(MONTH(tb_local(micros, zone)) AS NUMBER(38, 9)) $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_date(micros NUMBER(38, 0), zone VARCHAR) RETURNS VARCHAR
AS $$ TO_CHAR(tb_local(micros, zone), 'YYYY-MM-DD') $$;
-- The forms of ISO 8601 that `datetime.fromisoformat` reads, in the extended one: the days since
-- 1970, and the microseconds since midnight, UTC.
CREATE OR REPLACE TEMPORARY FUNCTION tb_parts(text VARCHAR) RETURNS VARIANT
LANGUAGE JAVASCRIPT IMMUTABLE STRICT AS $$
    const parts = /^(\d{4})-(\d{2})-(\d{2})(?:.([01]\d|2[0-3])(?::([0-5]\d)(?::([0-5]\d)(?:[.,](\d+))?)?)?(?:Z|([+-])([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d))?)?)?)?$/.exec(TEXT);
    if (parts === null) {
        if (/^\d{4}-?W\d{2}|^\d{8}/.test(TEXT))
            throw new Error('tailorbird: a date of this form is not read here; write 2026-01-31');
        return undefined;
    }
    const number = at => Number(parts[at] || 0);
    const day = new Date(0);
    day.setUTCFullYear(number(1), number(2) - 1, number(3));
    if (number(1) < 1 || day.getUTCMonth() !== number(2) - 1 || day.getUTCDate() !== number(3))
        return undefined;
    const fraction = Number(((parts[7] || '') + '000000').slice(0, 6));
    const shift = (parts[8] === '-' ? -1 : 1)
        * (number(9) * 3600 + number(10) * 60 + number(11));
    const seconds = number(4) * 3600 + number(5) * 60 + number(6) - shift;
    return [day.getTime() / 86400000, seconds * 1000000 + fraction];
$$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_read_instant(text VARCHAR) RETURNS NUMBER(38, 0)
AS $$ CAST(GET(tb_parts(TRIM(text)), 0) AS NUMBER(38, 0)) * 86400000000
    + CAST(GET(tb_parts(TRIM(text)), 1) AS NUMBER(38, 0)) $$;
-- A day as a text, 2026-01-31.
CREATE OR REPLACE TEMPORARY FUNCTION tb_day(text VARCHAR) RETURNS VARCHAR
AS $$ CASE WHEN GET(tb_parts(LEFT(text, 10)), 0) IS NOT NULL THEN LEFT(text, 10) END $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_day_of_instant(micros NUMBER(38, 0)) RETURNS VARCHAR
AS $$ tb_date(micros, 'UTC') $$;
CREATE OR REPLACE TEMPORARY FUNCTION tb_falls_on(
    day VARCHAR, micros NUMBER(38, 0), zone VARCHAR) RETURNS BOOLEAN
AS $$ COALESCE(
    RIGHT(day, 5) = RIGHT(tb_date(micros, zone), 5)
    OR RIGHT(day, 5) = '02-29' AND RIGHT(tb_date(micros, zone), 5) = '02-28'
        AND DAY(LAST_DAY(tb_local(micros, zone))) = 28, FALSE) $$;
