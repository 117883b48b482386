-- The functions that compiled expressions call, for ClickHouse: expressions with names, which stay.
-- A value of the language is one column for each type; numbers are Decimal(38, 9), instants and
-- spans are microseconds (Int64), JSON is text. Arithmetic on whole numbers is done in Int256.
-- Nothing that holds an Array may be null, so that what is missing is asked for first.

CREATE OR REPLACE FUNCTION tb_micros AS (stamp) -> toUnixTimestamp64Micro(stamp);
CREATE OR REPLACE FUNCTION tb_instant AS (micros) -> fromUnixTimestamp64Micro(toInt64(micros), 'UTC');
-- A place in the total order, as one number.
CREATE OR REPLACE FUNCTION tb_place AS (stamp, event_order) -> toDecimal128(
    toInt256(toUnixTimestamp64Micro(stamp)) * toInt256(9223372036854775808) + event_order, 0);
CREATE OR REPLACE FUNCTION tb_floor_of_place AS (place) -> toInt64(intDiv(
    place - (place % toInt256(9223372036854775808) + toInt256(9223372036854775808))
        % toInt256(9223372036854775808), toInt256(9223372036854775808)));
CREATE OR REPLACE FUNCTION tb_micros_of_place AS (place) -> tb_floor_of_place(toInt256(place));

-- JSON -------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION tb_kind AS (value) -> ifNull(toString(JSONType(value)), 'Null');
CREATE OR REPLACE FUNCTION tb_list AS (value) -> JSONExtractArrayRaw(ifNull(value, ''));
CREATE OR REPLACE FUNCTION tb_get AS (object, name) -> nullIf(JSONExtractRaw(object, name), '');
CREATE OR REPLACE FUNCTION tb_is_value AS (value) -> tb_kind(value) != 'Null';
CREATE OR REPLACE FUNCTION tb_has_members AS (object) ->
    tb_kind(object) = 'Object' AND ifNull(JSONLength(object), 0) > 0;
-- What stands under a name in an item of a list, as a list.
CREATE OR REPLACE FUNCTION tb_listed AS (found) -> multiIf(
    tb_kind(found) = 'Null', emptyArrayString(),
    tb_kind(found) = 'Array', tb_list(found),
    [assumeNotNull(ifNull(found, ''))]);
CREATE OR REPLACE FUNCTION tb_found_deep AS (value, name) -> if(
    tb_kind(value) = 'Array',
    arrayFlatten(arrayMap(
        y -> if(
            throwIf(tb_kind(y) = 'Array',
                'tailorbird: a path leads through lists that are nested three deep') = 0,
            tb_listed(tb_get(y, name)), emptyArrayString()),
        tb_list(value))),
    tb_listed(tb_get(value, name)));
-- A path through a list flattens.
CREATE OR REPLACE FUNCTION tb_at AS (value, name) -> if(
    tb_kind(value) = 'Array',
    concat('[', arrayStringConcat(
        arrayFlatten(arrayMap(x -> tb_found_deep(x, name), tb_list(value))), ','), ']'),
    tb_get(value, name));
CREATE OR REPLACE FUNCTION tb_text AS (value) ->
    if(tb_kind(value) = 'String', normalizeUTF8NFC(JSONExtractString(value)), NULL);
CREATE OR REPLACE FUNCTION tb_truth AS (value) ->
    if(tb_kind(value) = 'Bool', JSONExtractBool(value), NULL);
CREATE OR REPLACE FUNCTION tb_items AS (value) -> if(tb_kind(value) = 'Array', value, NULL);
CREATE OR REPLACE FUNCTION tb_unscaled AS (scaled) -> toDecimal128(
    toDecimal256(scaled, 0) * toDecimal256('0.000000001', 9), 9);
-- Half even to nine places; 40 places tell every double from a tie.
CREATE OR REPLACE FUNCTION tb_half_even_of AS (exact) -> toInt256(exact) + multiIf(
    abs(exact - toInt256(exact)) * 2 > 1, toInt256(sign(exact)),
    abs(exact - toInt256(exact)) * 2 = 1, toInt256(exact) % 2,
    toInt256(0));
CREATE OR REPLACE FUNCTION tb_rounded AS (exact) -> arrayMap(
    x -> tb_unscaled(tb_half_even_of(x * toDecimal256(1000000000, 0))),
    [if(abs(exact) > 1000000000000, NULL, exact)])[1];
CREATE OR REPLACE FUNCTION tb_number AS (value) -> if(
    tb_kind(value) IN ('Int64', 'UInt64', 'Double'),
    tb_rounded(toDecimal256OrNull(ifNull(value, ''), 40)), NULL);
-- Equal for equal values only: the type is part of it.
CREATE OR REPLACE FUNCTION tb_key AS (value) -> multiIf(
    tb_kind(value) = 'String', concat('t:', tb_text(value)),
    tb_kind(value) = 'Bool', if(tb_truth(value), 'b:true', 'b:false'),
    tb_kind(value) = 'Array', concat('l:', value),
    concat('n:', toString(tb_number(value))));
CREATE OR REPLACE FUNCTION tb_key_of AS (number, text, truth) -> coalesce(
    concat('n:', toString(CAST(number AS Nullable(Decimal(38, 9))))),
    concat('t:', text),
    if(isNull(truth), NULL, if(truth, 'b:true', 'b:false')));
-- The elements of a list, or the one value there is.
CREATE OR REPLACE FUNCTION tb_each AS (value) -> tb_listed(value);
CREATE OR REPLACE FUNCTION tb_length AS (items) -> toDecimal128(JSONLength(items), 9);
CREATE OR REPLACE FUNCTION tb_has_key AS (items, key) ->
    arrayExists(x -> ifNull(tb_key(x) = key, 0), tb_list(items));

-- Numbers ----------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION tb_scaled AS (number) -> toInt256(
    toDecimal256(number, 9) * toDecimal256(1000000000, 0));
CREATE OR REPLACE FUNCTION tb_rest_up AS (whole, rest, divisor) -> whole + multiIf(
    2 * rest > divisor, toInt256(1), 2 * rest = divisor, whole % 2, toInt256(0));
CREATE OR REPLACE FUNCTION tb_half_even AS (numerator, denominator) ->
    sign(numerator) * sign(denominator) * tb_rest_up(
        intDiv(abs(numerator), nullIf(abs(denominator), 0)),
        abs(numerator) % nullIf(abs(denominator), 0), abs(denominator));
CREATE OR REPLACE FUNCTION tb_quotient AS (numerator, denominator) -> arrayMap(
    (n, d) -> tb_half_even(n, d), [numerator], [denominator])[1];
CREATE OR REPLACE FUNCTION tb_times AS (left_number, right_number) -> tb_unscaled(tb_quotient(
    tb_scaled(left_number) * tb_scaled(right_number), toInt256(1000000000)));
CREATE OR REPLACE FUNCTION tb_over AS (left_number, right_number) -> tb_unscaled(tb_quotient(
    tb_scaled(left_number) * 1000000000, tb_scaled(right_number)));
CREATE OR REPLACE FUNCTION tb_lapse_times AS (lapse, number) -> toInt64(tb_quotient(
    toInt256(lapse) * tb_scaled(number), toInt256(1000000000)));
CREATE OR REPLACE FUNCTION tb_lapse_over AS (lapse, number) -> toInt64(tb_quotient(
    toInt256(lapse) * 1000000000, tb_scaled(number)));
CREATE OR REPLACE FUNCTION tb_lapse_ratio AS (lapse, other) -> tb_unscaled(tb_quotient(
    toInt256(lapse) * 1000000000, toInt256(other)));
CREATE OR REPLACE FUNCTION tb_mean AS (total, number) -> tb_unscaled(tb_quotient(
    tb_scaled(total), toInt256(number)));

-- Texts ------------------------------------------------------------------------------------------

-- One character for one: of all letters only İ has two small ones, and only Σ has a small one that
-- depends on its neighbours.
CREATE OR REPLACE FUNCTION tb_lower AS (text) -> if(isNull(text), NULL, arrayStringConcat(
    arrayMap(x -> lowerUTF8(replaceAll(x, 'Σ', 'σ')), splitByString('İ', ifNull(text, ''))), 'İ'));
CREATE OR REPLACE FUNCTION tb_contains AS (text, part) -> position(text, part) > 0;
CREATE OR REPLACE FUNCTION tb_starts AS (text, part) -> startsWith(text, part);
CREATE OR REPLACE FUNCTION tb_ends AS (text, part) -> endsWith(text, part);
CREATE OR REPLACE FUNCTION tb_characters AS (text) -> toDecimal128(lengthUTF8(text), 9);

-- Time: stamps reach from 1900 to 2299 -----------------------------------------------------------

-- A day that does not exist becomes the first instant of the following month.
CREATE OR REPLACE FUNCTION tb_month_of AS (stamp) ->
    makeDateTime64(toYear(stamp), toMonth(stamp), 1, 0, 0, 0, 0, 6, 'UTC');
CREATE OR REPLACE FUNCTION tb_months_on AS (stamp, months) -> least(
    tb_micros(addMonths(tb_month_of(stamp), months)) + tb_micros(stamp)
        - tb_micros(tb_month_of(stamp)),
    tb_micros(addMonths(tb_month_of(stamp), months + 1)));
CREATE OR REPLACE FUNCTION tb_after_months AS (micros, months) -> if(isNull(micros), NULL,
    tb_months_on(
        tb_instant(greatest(least(micros, 9877160000000000), -2208988800000000)), months));
CREATE OR REPLACE FUNCTION tb_after AS (micros, lapse) ->
    if(isNull(micros), NULL, least(micros + lapse, 253402300799000000));
-- Local time as a text: of all functions this one takes its zone from a column.
CREATE OR REPLACE FUNCTION tb_local AS (micros, zone) ->
    formatDateTime(tb_instant(micros), '%Y-%m-%d %H:%i:%S', assumeNotNull(zone));
CREATE OR REPLACE FUNCTION tb_hour AS (micros, zone) ->
    toDecimal128(toUInt8OrNull(substring(tb_local(micros, zone), 12, 2)), 9);
CREATE OR REPLACE FUNCTION tb_month AS (micros, zone) ->
    toDecimal128(toUInt8OrNull(substring(tb_local(micros, zone), 6, 2)), 9);
CREATE OR REPLACE FUNCTION tb_date AS (micros, zone) -> substring(tb_local(micros, zone), 1, 10);
-- Days since 1970, by the calendar alone: stamps do not reach to everybody's birth.
CREATE OR REPLACE FUNCTION tb_days_in_march_years AS (year, month, day) ->
    year * 365 + intDiv(year, 4) - intDiv(year, 100) + intDiv(year, 400)
        + intDiv(153 * ((month + 9) % 12) + 2, 5) + day - 719469;
CREATE OR REPLACE FUNCTION tb_days AS (year, month, day) ->
    tb_days_in_march_years(year - (month < 3), month, day);
CREATE OR REPLACE FUNCTION tb_days_in_month AS (year, month) ->
    tb_days(year + (month = 12), month % 12 + 1, 1) - tb_days(year, month, 1);
CREATE OR REPLACE FUNCTION tb_part AS (text, at, size) -> toInt64OrZero(substring(text, at, size));
CREATE OR REPLACE FUNCTION tb_days_of AS (text) -> if(
    tb_part(text, 1, 4) >= 1 AND tb_part(text, 6, 2) BETWEEN 1 AND 12 AND tb_part(text, 9, 2) >= 1
        AND tb_part(text, 9, 2) <= tb_days_in_month(tb_part(text, 1, 4), tb_part(text, 6, 2)),
    tb_days(tb_part(text, 1, 4), tb_part(text, 6, 2), tb_part(text, 9, 2)), NULL);
CREATE OR REPLACE FUNCTION tb_weekday AS (micros, zone) ->
    toDecimal128((tb_days_of(tb_date(micros, zone)) + 3) % 7 + 1, 9);
-- The forms of ISO 8601 that `datetime.fromisoformat` reads, in the extended one.
CREATE OR REPLACE FUNCTION tb_day AS (text) -> multiIf(
    match(text, '^\\d{4}-\\d{2}-\\d{2}'),
    if(isNull(tb_days_of(text)), NULL, substring(text, 1, 10)),
    throwIf(ifNull(match(text, '^\\d{4}-W\\d{2}-\\d'), 0),
        'tailorbird: a date of this form is not read here; write 2026-01-31') = 1, '', NULL);
CREATE OR REPLACE FUNCTION tb_day_of_instant AS (micros) -> tb_date(micros, 'UTC');
CREATE OR REPLACE FUNCTION tb_same_day AS (day, today) -> ifNull(
    substring(day, 6, 5) = substring(today, 6, 5)
    OR (substring(day, 6, 5) = '02-29' AND substring(today, 6, 5) = '02-28'
        AND tb_days_in_month(tb_part(today, 1, 4), 2) = 28), 0);
CREATE OR REPLACE FUNCTION tb_falls_on AS (day, micros, zone) ->
    tb_same_day(day, tb_date(micros, zone));
CREATE OR REPLACE FUNCTION tb_seconds AS (hours, minutes, seconds) ->
    toInt64OrZero(hours) * 3600 + toInt64OrZero(minutes) * 60 + toInt64OrZero(seconds);
CREATE OR REPLACE FUNCTION tb_shift AS (zone) ->
    if(startsWith(zone, '-'), -1000000, 1000000) * tb_seconds(
        substring(zone, 2, 2), substring(zone, 4, 2), substring(zone, 6, 2));
CREATE OR REPLACE FUNCTION tb_micros_of_day AS (text) -> arrayMap(
    x -> tb_seconds(x[1], x[2], x[3]) * 1000000
        + toInt64OrZero(substring(rightPad(x[4], 6, '0'), 1, 6))
        - if(x[5] IN ('', 'Z'), 0, tb_shift(replaceAll(x[5], ':', ''))),
    [extractGroups(ifNull(text, ''),
        '^.{11}(\\d\\d):?(\\d\\d)?:?(\\d\\d)?[.,]?(\\d*)(Z|[+-].*)?$')])[1];
CREATE OR REPLACE FUNCTION tb_read_trimmed AS (text) -> multiIf(
    match(text, '^\\d{4}-\\d{2}-\\d{2}$'), tb_days_of(text) * 86400000000,
    match(text, '^\\d{4}-\\d{2}-\\d{2}.([01]\\d|2[0-3])(:[0-5]\\d(:[0-5]\\d([.,]\\d+)?)?)?(Z|[+-]([01]\\d|2[0-3])(:?[0-5]\\d(:?[0-5]\\d)?)?)?$'),
    tb_days_of(text) * 86400000000 + tb_micros_of_day(text),
    throwIf(ifNull(match(text, '^\\d{4}-?W\\d{2}|^\\d{8}'), 0),
        'tailorbird: a date of this form is not read here; write 2026-01-31') = 1, 0, NULL);
CREATE OR REPLACE FUNCTION tb_read_instant AS (text) -> tb_read_trimmed(trimBoth(text));
