-- The functions that compiled expressions call, for DuckDB. A value of the language is one column
-- for each type; numbers are DECIMAL(38, 9), instants and spans are microseconds.

CREATE OR REPLACE TEMP MACRO tb_micros(stamp) AS epoch_us(stamp);
CREATE OR REPLACE TEMP MACRO tb_instant(micros) AS make_timestamp(micros);
-- A place in the total order, as one number.
CREATE OR REPLACE TEMP MACRO tb_place(stamp, event_order) AS
    epoch_us(stamp)::HUGEINT * 9223372036854775808::HUGEINT + event_order;
CREATE OR REPLACE TEMP MACRO tb_micros_of_place(place) AS
    ((place - ((place % 9223372036854775808::HUGEINT) + 9223372036854775808::HUGEINT)
        % 9223372036854775808::HUGEINT) // 9223372036854775808::HUGEINT)::BIGINT;

-- JSON -------------------------------------------------------------------------------------------

CREATE OR REPLACE TEMP MACRO tb_get(object, name) AS json_extract(object, '$."' || name || '"');
-- What is extracted is written tersely: its first character tells its type without a parser.
CREATE OR REPLACE TEMP MACRO tb_is_value(value) AS coalesce(value::VARCHAR <> 'null', false);
CREATE OR REPLACE TEMP MACRO tb_is_list(value) AS starts_with(value::VARCHAR, '[');
CREATE OR REPLACE TEMP MACRO tb_is_object(value) AS starts_with(value::VARCHAR, '{');
CREATE OR REPLACE TEMP MACRO tb_has_members(object) AS coalesce(len(json_keys(object)), 0) > 0;
-- The elements of a list, or the one value there is.
CREATE OR REPLACE TEMP MACRO tb_each(value) AS CASE
    WHEN tb_is_list(value) THEN json_extract(value, '$[*]')
    WHEN tb_is_value(value) THEN [value] ELSE [] END;
-- What stands under a name in an item of a list, as a list.
CREATE OR REPLACE TEMP MACRO tb_found(value, name) AS
    tb_each(CASE WHEN tb_is_object(value) THEN tb_get(value, name) END);
CREATE OR REPLACE TEMP MACRO tb_found_deep(value, name) AS CASE
    WHEN NOT tb_is_list(value) THEN tb_found(value, name)
    ELSE flatten(list_transform(json_extract(value, '$[*]'), lambda y: CASE
        WHEN tb_is_list(y)
            THEN error('tailorbird: a path leads through lists that are nested three deep')
        ELSE tb_found(y, name) END)) END;
-- A path through a list flattens; where no list is in the list, one pass finds everything.
CREATE OR REPLACE TEMP MACRO tb_at(value, name) AS CASE
    WHEN tb_is_object(value) THEN tb_get(value, name)
    WHEN tb_is_list(value) THEN to_json(flatten(CASE
        WHEN list_contains(json_type(value, '$[*]'), 'ARRAY') THEN list_transform(
            json_extract(value, '$[*]'), lambda x: tb_found_deep(x, name))
        ELSE list_transform(
            json_extract(value, '$[*]."' || name || '"'), lambda x: tb_each(x)) END))
    END;
CREATE OR REPLACE TEMP MACRO tb_text(value) AS CASE WHEN starts_with(value::VARCHAR, '"')
    THEN nfc_normalize(json_extract_string(value, '$')) END;
CREATE OR REPLACE TEMP MACRO tb_truth(value) AS CASE value::VARCHAR
    WHEN 'true' THEN true WHEN 'false' THEN false END;
CREATE OR REPLACE TEMP MACRO tb_items(value) AS CASE WHEN tb_is_list(value) THEN value END;
-- Half even to nine places; 25 places tell every double from a tie. DuckDB rounds half away.
CREATE OR REPLACE TEMP MACRO tb_rounded(exact) AS CASE
    WHEN abs(exact) > 1000000000000 THEN NULL
    WHEN abs(exact - exact::DECIMAL(38, 9)::DECIMAL(38, 25)) = 0.0000000005
        AND (replace(exact::DECIMAL(38, 9)::VARCHAR, '.', '')::HUGEINT) % 2 <> 0
        THEN exact::DECIMAL(38, 9)
            + CASE WHEN exact > 0 THEN -0.000000001 ELSE 0.000000001 END
    ELSE exact::DECIMAL(38, 9) END::DECIMAL(38, 9);
-- A short text without an exponent has less than ten places: nothing is rounded.
CREATE OR REPLACE TEMP MACRO tb_read_number(text) AS CASE
    WHEN strlen(text) <= 10 AND NOT contains(text, 'e') THEN TRY_CAST(text AS DECIMAL(38, 9))
    ELSE tb_rounded(TRY_CAST(text AS DECIMAL(38, 25))) END;
-- Digits and the minus sign stand between `-` and `:`, and nothing else that a value begins with.
CREATE OR REPLACE TEMP MACRO tb_number(value) AS CASE
    WHEN value::VARCHAR >= '-' AND value::VARCHAR < ':' THEN tb_read_number(value::VARCHAR) END;
-- Equal for equal values only: the type is part of it.
CREATE OR REPLACE TEMP MACRO tb_key(value) AS CASE
    WHEN starts_with(value::VARCHAR, '"') THEN 't:' || tb_text(value)
    WHEN value::VARCHAR IN ('true', 'false') THEN 'b:' || value::VARCHAR
    WHEN tb_is_list(value) THEN 'l:' || value::VARCHAR
    ELSE 'n:' || tb_number(value)::VARCHAR END;
CREATE OR REPLACE TEMP MACRO tb_key_of(number, text, truth) AS
    coalesce('n:' || number::DECIMAL(38, 9)::VARCHAR, 't:' || text, 'b:' || truth::VARCHAR);
CREATE OR REPLACE TEMP MACRO tb_length(items) AS json_array_length(items)::DECIMAL(38, 9);
CREATE OR REPLACE TEMP MACRO tb_has_key(items, key) AS
    coalesce(list_contains(list_transform(json_extract(items, '$[*]'), lambda x: tb_key(x)), key),
        false);

-- Items that lie apart from their JSON, as `language.warehouse.items` has it ----------------------

CREATE OR REPLACE TEMP MACRO tb_item(x) AS CASE WHEN x.quantity IS NULL THEN x.item
    ELSE replace(x.item, '"quantity":null', '"quantity":' || x.quantity) END::JSON;
CREATE OR REPLACE TEMP MACRO tb_list_of(items) AS
    '[' || array_to_string(list_transform(items, lambda x: tb_item(x)), ',') || ']';
CREATE OR REPLACE TEMP MACRO tb_whole(rest, items) AS CASE WHEN items IS NULL THEN rest
    ELSE replace(rest, '":[{}]', '":' || tb_list_of(items)) END::JSON;
-- What stands under a name: the list itself, what the list lies in, or anything else.
CREATE OR REPLACE TEMP MACRO tb_own(rest, items, name) AS CASE
    WHEN items IS NULL OR NOT contains(tb_get(rest, name)::VARCHAR, '[{}]') THEN tb_get(rest, name)
    WHEN tb_get(rest, name)::VARCHAR = '[{}]' THEN tb_list_of(items)::JSON
    ELSE tb_whole(tb_get(rest, name)::VARCHAR, items) END;
CREATE OR REPLACE TEMP MACRO tb_each_own(rest, items, name) AS CASE
    WHEN items IS NOT NULL AND tb_get(rest, name)::VARCHAR = '[{}]'
        THEN list_transform(items, lambda x: tb_item(x))
    ELSE tb_each(tb_own(rest, items, name)) END;

-- Numbers ----------------------------------------------------------------------------------------

CREATE OR REPLACE TEMP MACRO tb_scaled(number) AS
    replace(number::DECIMAL(38, 9)::VARCHAR, '.', '')::HUGEINT;
CREATE OR REPLACE TEMP MACRO tb_unscaled(scaled) AS list_transform([scaled], lambda n:
    (n // 1000000000)::DECIMAL(38, 9)
    + ((n % 1000000000)::DECIMAL(10, 0) * 0.000000001::DECIMAL(9, 9)))[1];
CREATE OR REPLACE TEMP MACRO tb_rest_up(whole, rest, divisor) AS
    CASE WHEN 2 * rest > divisor OR (2 * rest = divisor AND whole % 2 = 1) THEN whole + 1
        ELSE whole END;
CREATE OR REPLACE TEMP MACRO tb_half_even(numerator, denominator) AS list_transform(
    [{'n': numerator::HUGEINT, 'd': denominator::HUGEINT}], lambda x:
    sign(x.n)::HUGEINT * sign(x.d)::HUGEINT
    * tb_rest_up(abs(x.n) // abs(x.d), abs(x.n) % abs(x.d), abs(x.d)))[1];
-- a * b / 10^9, where a * b itself may be too large.
CREATE OR REPLACE TEMP MACRO tb_product(scaled, other) AS list_transform(
    [{'a': scaled::HUGEINT, 'b': other::HUGEINT}], lambda x:
    sign(x.a)::HUGEINT * sign(x.b)::HUGEINT * tb_rest_up(
        (abs(x.a) // 1000000000) * abs(x.b)
            + (abs(x.a) % 1000000000) * abs(x.b) // 1000000000,
        (abs(x.a) % 1000000000) * abs(x.b) % 1000000000,
        1000000000))[1];
CREATE OR REPLACE TEMP MACRO tb_times(left_number, right_number) AS
    tb_unscaled(tb_product(tb_scaled(left_number), tb_scaled(right_number)));
CREATE OR REPLACE TEMP MACRO tb_over(left_number, right_number) AS
    CASE WHEN right_number <> 0 THEN tb_unscaled(tb_half_even(
        tb_scaled(left_number) * 1000000000, tb_scaled(right_number))) END;
CREATE OR REPLACE TEMP MACRO tb_lapse_times(lapse, number) AS
    tb_product(tb_scaled(number), lapse)::BIGINT;
CREATE OR REPLACE TEMP MACRO tb_lapse_over(lapse, number) AS
    CASE WHEN number <> 0 THEN
        tb_half_even(lapse::HUGEINT * 1000000000, tb_scaled(number))::BIGINT END;
CREATE OR REPLACE TEMP MACRO tb_lapse_ratio(lapse, other) AS
    CASE WHEN other <> 0 THEN
        tb_unscaled(tb_half_even(lapse::HUGEINT * 1000000000, other::HUGEINT)) END;
CREATE OR REPLACE TEMP MACRO tb_mean(total, number) AS
    CASE WHEN number > 0 THEN tb_unscaled(tb_half_even(tb_scaled(total), number)) END;

-- Points that fade, as `language.decay` has them, exact in whole numbers -------------------------

CREATE OR REPLACE TEMP MACRO tb_floor_rest(number, divisor) AS
    ((number % divisor) + divisor) % divisor;
CREATE OR REPLACE TEMP MACRO tb_fade_day_end(given_at) AS
    given_at - tb_floor_rest(given_at, 86400000000) + 86400000000;
-- Evenly: what a day's points weigh, times the span.
CREATE OR REPLACE TEMP MACRO tb_fade_evenly(points, given_at, now_at, span) AS
    points::HUGEINT * greatest(span - greatest(now_at - given_at, 0), 0);
-- By half-lives: an instant is a whole number of them and a weight in units of 2^-40.
CREATE OR REPLACE TEMP MACRO tb_fade_index(given_at, half_life) AS
    (given_at - tb_floor_rest(given_at, half_life)) // half_life;
CREATE OR REPLACE TEMP MACRO tb_fade_weight_of(fraction) AS
    (getvariable('tb_coarse')[(fraction // 4096) + 1]::HUGEINT
        * getvariable('tb_fine')[(fraction % 4096) + 1]) >> 40;
CREATE OR REPLACE TEMP MACRO tb_fade_weight(given_at, half_life) AS tb_fade_weight_of(
    ((tb_floor_rest(given_at, half_life)::HUGEINT << 24) // half_life)::INTEGER);
CREATE OR REPLACE TEMP MACRO tb_fade_power(exponent) AS 1::HUGEINT << exponent::INTEGER;
-- The sum of all weights times 2^60 would not fit: its part above 2^60 and the part below.
CREATE OR REPLACE TEMP MACRO tb_fade_high(weighed, place) AS CASE WHEN place < 0 THEN 0
    WHEN place >= 60 THEN weighed * tb_fade_power(place - 60)
    ELSE (weighed - tb_floor_rest(weighed, tb_fade_power(60 - place))) // tb_fade_power(60 - place)
    END;
CREATE OR REPLACE TEMP MACRO tb_fade_low(weighed, place) AS
    CASE WHEN place BETWEEN 0 AND 59
        THEN tb_floor_rest(weighed, tb_fade_power(60 - place)) * tb_fade_power(place) ELSE 0 END;
-- (high + low / 2^60) / weight, half even.
CREATE OR REPLACE TEMP MACRO tb_fade_rounded(high, low, rest, weight) AS
    (high - rest) // weight + CASE
        WHEN 2 * rest > weight OR (2 * rest = weight AND low > 0)
            OR (2 * rest = weight - 1 AND low > tb_fade_power(59)) THEN 1
        WHEN (2 * rest = weight OR (2 * rest = weight - 1 AND low = tb_fade_power(59)))
            THEN tb_floor_rest((high - rest) // weight, 2)
        ELSE 0 END;
CREATE OR REPLACE TEMP MACRO tb_fade_carried(high, low, weight) AS tb_fade_rounded(
    high, low, tb_floor_rest(high, weight), weight);
CREATE OR REPLACE TEMP MACRO tb_fade_total(high, low, weight) AS tb_fade_carried(
    high + low // tb_fade_power(60), low % tb_fade_power(60), weight);

-- Texts ------------------------------------------------------------------------------------------

-- One character for one; of all letters only this one has two small ones.
CREATE OR REPLACE TEMP MACRO tb_lower(text) AS
    array_to_string(list_transform(string_split(text, 'İ'), lambda x: lower(x)), 'İ');
CREATE OR REPLACE TEMP MACRO tb_contains(text, part) AS contains(text, part);
CREATE OR REPLACE TEMP MACRO tb_starts(text, part) AS starts_with(text, part);
CREATE OR REPLACE TEMP MACRO tb_ends(text, part) AS ends_with(text, part);
CREATE OR REPLACE TEMP MACRO tb_characters(text) AS length(text)::DECIMAL(38, 9);

-- Time -------------------------------------------------------------------------------------------

-- A day that does not exist becomes the first instant of the following month. `least` and
-- `greatest` pass over nulls here, so that what is missing is asked for first.
CREATE OR REPLACE TEMP MACRO tb_after_months(micros, months) AS list_transform(
    [make_timestamp(greatest(least(micros, 253402300799000000), -62135596800000000))], lambda stamp:
    CASE WHEN micros IS NULL THEN NULL
    WHEN year(date_trunc('month', stamp) + to_months(months)) > 9998 THEN 253402300799000000
    ELSE epoch_us(least(
        date_trunc('month', stamp) + to_months(months) + (stamp - date_trunc('month', stamp)),
        date_trunc('month', stamp) + to_months(months + 1))) END)[1];
CREATE OR REPLACE TEMP MACRO tb_after(micros, lapse) AS
    CASE WHEN micros IS NOT NULL THEN least(micros + lapse, 253402300799000000) END;
CREATE OR REPLACE TEMP MACRO tb_local(micros, zone) AS
    timezone(zone, timezone('UTC', make_timestamp(micros)));
CREATE OR REPLACE TEMP MACRO tb_hour(micros, zone) AS hour(tb_local(micros, zone))::DECIMAL(38, 9);
CREATE OR REPLACE TEMP MACRO tb_weekday(micros, zone) AS
    isodow(tb_local(micros, zone))::DECIMAL(38, 9);
CREATE OR REPLACE TEMP MACRO tb_month(micros, zone) AS
    month(tb_local(micros, zone))::DECIMAL(38, 9);
CREATE OR REPLACE TEMP MACRO tb_date(micros, zone) AS
    strftime(tb_local(micros, zone), '%Y-%m-%d');
-- The forms of ISO 8601 that `datetime.fromisoformat` reads, in the extended one.
CREATE OR REPLACE TEMP MACRO tb_day(text) AS CASE
    WHEN regexp_matches(text, '^\d{4}-\d{2}-\d{2}') THEN TRY_CAST(left(text, 10) AS DATE)
    WHEN regexp_matches(text, '^\d{4}-W\d{2}-\d')
        THEN TRY_CAST(try_strptime(left(text, 10), '%G-W%V-%u') AS DATE) END;
CREATE OR REPLACE TEMP MACRO tb_day_of_instant(micros) AS make_timestamp(micros)::DATE;
CREATE OR REPLACE TEMP MACRO tb_falls_on(day, micros, zone) AS coalesce(
    (month(day) = month(tb_local(micros, zone)) AND day(day) = day(tb_local(micros, zone)))
    OR (month(day) = 2 AND day(day) = 29
        AND month(tb_local(micros, zone)) = 2 AND day(tb_local(micros, zone)) = 28
        AND day(tb_local(micros, zone) + to_days(1)) = 1), false);
CREATE OR REPLACE TEMP MACRO tb_read_instant(text) AS list_transform([trim(text)], lambda t: CASE
    WHEN regexp_matches(t, '^\d{4}-\d{2}-\d{2}$') THEN epoch_us(TRY_CAST(t AS TIMESTAMP))
    WHEN regexp_matches(t, '^\d{4}-\d{2}-\d{2}.([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d([.,]\d+)?)?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d(:?[0-5]\d)?)?)?$')
        THEN epoch_us(TRY_CAST(left(t, 10) AS TIMESTAMP))
            + list_transform([regexp_extract(t,
                '^.{11}(\d\d):?(\d\d)?:?(\d\d)?[.,]?(\d*)(Z|[+-].*)?$',
                ['h', 'm', 's', 'f', 'z'])], lambda x:
                (x.h::BIGINT * 3600 + coalesce(TRY_CAST(x.m AS BIGINT), 0) * 60
                    + coalesce(TRY_CAST(x.s AS BIGINT), 0)) * 1000000
                + coalesce(TRY_CAST(left(rpad(x.f, 6, '0'), 6) AS BIGINT), 0)
                - CASE WHEN x.z IN ('', 'Z') THEN 0 ELSE
                    CASE WHEN x.z[1] = '-' THEN -1000000 ELSE 1000000 END
                    * (replace(x.z, ':', '')[2:3]::BIGINT * 3600
                        + coalesce(TRY_CAST(replace(x.z, ':', '')[4:5] AS BIGINT), 0) * 60
                        + coalesce(TRY_CAST(replace(x.z, ':', '')[6:7] AS BIGINT), 0)) END)[1]
    WHEN regexp_matches(t, '^\d{4}-?W\d{2}|^\d{8}')
        THEN error('tailorbird: a date of this form is not read here; write 2026-01-31') END)[1];
