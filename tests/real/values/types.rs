//! The types a column can have, with values for each, and what is to become of them.

/// How a value is written. The expected text always comes from the server, by an expression of SQL.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// What `to_json` makes of it: a number, a boolean, or a string where JSON has no such number.
    Json,
    /// The server's text, as a string.
    Text,
    /// The JSON value of this expression over `x`.
    Sql(&'static str),
}

/// One type.
pub(crate) struct Type {
    /// Qualified, as in a CREATE TABLE.
    pub(crate) name: &'static str,
    /// The first major that has it, or that takes these values.
    pub(crate) since: u16,
    pub(crate) form: Form,
    /// Expressions of SQL.
    pub(crate) values: &'static [&'static str],
}

const fn of(name: &'static str, form: Form, values: &'static [&'static str]) -> Type {
    Type { name, since: 12, form, values }
}

const fn since(since: u16, name: &'static str, form: Form, values: &'static [&'static str]) -> Type {
    Type { name, since, form, values }
}

/// Built-in types that no column can hold a value of its own making of: the server makes them for itself, and their
/// input functions refuse.
pub(crate) const WITHOUT_INPUT: &[&str] = &[
    "gtsvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
];

/// What a database needs for [`TYPES`].
pub(crate) const SETUP: &[&str] = &[
    "CREATE EXTENSION hstore",
    "CREATE EXTENSION citext",
    "CREATE EXTENSION ltree",
    "CREATE EXTENSION cube",
    "CREATE TYPE mood AS ENUM ('sad', 'so so', '\"it''s\" \\ok')",
    "CREATE TYPE pair AS (a integer, \"B c\" text)",
    "CREATE TYPE floatrange AS RANGE (subtype = float8)",
    "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
    "CREATE DOMAIN very_positive AS positive CHECK (VALUE > 10)",
    "CREATE TABLE \"Some \"\"Table\"\"\" (id int)",
];

const BYTEA: Form = Form::Sql("to_json(translate(encode(x, 'base64'), E'\\n', ''))");
const MONEY: Form = Form::Sql("to_json(x::numeric::text)");
/// Up to PostgreSQL 14 a byte above 127 is printed as it is, which is no text in UTF-8.
const CHAR: Form = Form::Sql(
    "CASE WHEN get_byte(charsend(x), 0) < 128 THEN to_json(format('%s', x)) ELSE
       to_json(concat('\\', get_byte(charsend(x), 0) / 64, get_byte(charsend(x), 0) / 8 % 8, get_byte(charsend(x), 0) % 8))
     END",
);
const TIMETZ: Form = Form::Sql(r"to_json(regexp_replace(format('%s', x), '([-+]\d\d)$', '\1:00'))");
const TIMESTAMP: Form = Form::Sql(
    r"to_json(CASE WHEN format('%s', x) ~ '^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$'
       THEN replace(format('%s', x), ' ', 'T') ELSE format('%s', x) END)",
);
const TIMESTAMPTZ: Form = Form::Sql(
    "to_json(CASE WHEN x >= '0001-01-01 00:00+00' AND x < '10000-01-01 00:00+00'
       THEN to_char(x AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') ELSE format('%s', x) END)",
);
const TIMESTAMPTZ_3: Form = Form::Sql(
    "to_json(CASE WHEN x >= '0001-01-01 00:00+00' AND x < '10000-01-01 00:00+00'
       THEN to_char(x AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') ELSE format('%s', x) END)",
);
const TIMESTAMPTZ_0: Form = Form::Sql(
    "to_json(CASE WHEN x >= '0001-01-01 00:00+00' AND x < '10000-01-01 00:00+00'
       THEN to_char(x AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') ELSE format('%s', x) END)",
);
/// Each field with its sign, zeros at the end of the fraction left out.
const INTERVAL: Form = Form::Sql(
    "to_json(CASE WHEN NOT isfinite(x) THEN format('%s', x) ELSE concat(
       'P', extract(year FROM x)::int, 'Y', extract(month FROM x)::int, 'M', extract(day FROM x)::int, 'DT',
       extract(hour FROM x)::bigint, 'H', extract(minute FROM x)::int, 'M',
       CASE WHEN extract(microseconds FROM x) < 0 THEN '-' END,
       abs(extract(microseconds FROM x)::bigint) / 1000000,
       rtrim(rtrim('.' || lpad((abs(extract(microseconds FROM x)::bigint) % 1000000)::text, 6, '0'), '0'), '.'), 'S') END)",
);
const BIT: Form = Form::Sql("to_json(x = B'1')");
const HSTORE: Form = Form::Sql(
    "to_json(concat('{', (SELECT string_agg(concat(to_json(key), ':', coalesce(to_json(value)::text, 'null')), ',')
       FROM public.each(x)), '}'))",
);

const WORDS: &[&str] = &[
    "''",
    "'plain'",
    "'it''s \"quoted\" \\ and ''twice'''",
    "E' \\t\\n\\r\\f\\b \\x01\\x1f\\x7f '",
    "'é 中 \u{1f600} \u{2028}'",
    "'null'",
    "'{\"a\",b}'",
    "(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 400) g)",
];
const DAYS: &[&str] = &[
    "'2026-01-02'",
    "'infinity'",
    "'-infinity'",
    "'0044-03-15 BC'",
    "'12345-06-07'",
    "'5874897-12-31'",
    "'4714-11-24 BC'",
    "'0001-01-01'",
];
const TIMES: &[&str] =
    &["'03:04:05.678901'", "'24:00:00'", "'00:00:00'", "'23:59:59.999999'", "'12:00:00.5'"];
const INSTANTS: &[&str] = &[
    "'2026-01-02 03:04:05.678901+02'",
    "'1970-01-01 00:00:00+00'",
    "'infinity'",
    "'-infinity'",
    "'0044-03-15 12:00:00+00 BC'",
    "'10000-01-01 00:00:00+00'",
    "'294276-12-31 23:59:59+00'",
    "'4714-11-24 00:00:00+00 BC'",
    "'0001-01-01 00:00:00+00'",
    "'9999-12-31 23:59:59.999999+00'",
    "'2026-01-02 03:04:05.1+00'",
];
const FLOATS: &[&str] = &[
    "'0'",
    "'-0'",
    "'1.5'",
    "'0.1'",
    "'1e20'",
    "'1e-7'",
    "'123456'",
    "'16777216'",
    "'NaN'",
    "'Infinity'",
    "'-Infinity'",
];
const SPANS: &[&str] = &[
    "'0'",
    "'1 year 2 mons 3 days 04:05:06.789'",
    "'-1 year -2 mons +3 days -04:05:06.7'",
    "'-1 day'",
    "'1 mon -00:30:00'",
    "'-0.000001 s'",
    "'100:00:00.5'",
    "'178000000 years'",
    "'-178000000 years -2147483648 days'",
];

pub(crate) const TYPES: &[Type] = &[
    of("boolean", Form::Json, &["true", "false"]),
    of("smallint", Form::Json, &["'-32768'", "32767", "0"]),
    of("integer", Form::Json, &["'-2147483648'", "2147483647", "0"]),
    of("bigint", Form::Json, &["'-9223372036854775808'", "9223372036854775807", "0"]),
    of("oid", Form::Sql("to_json(x::bigint)"), &["0", "'4294967295'"]),
    of("real", Form::Json, FLOATS),
    of("real", Form::Json, &["'3.4028235e38'", "'1e-45'", "'1.17549435e-38'"]),
    of("double precision", Form::Json, FLOATS),
    of(
        "double precision",
        Form::Json,
        &["'1.7976931348623157e308'", "'5e-324'", "'2e23'", "'100000000000000000'"],
    ),
    of(
        "numeric",
        Form::Text,
        &[
            "0",
            "'-0.000'",
            "'NaN'",
            "'1e100'",
            "'0.00000000000000000001'",
            "'123.4500'",
            "repeat('9', 1000)::numeric",
        ],
    ),
    of("numeric(10,2)", Form::Text, &["0", "'99999999.99'", "'-0.01'", "'NaN'", "12.3"]),
    since(14, "numeric", Form::Text, &["'Infinity'", "'-Infinity'"]),
    since(15, "numeric(5,-2)", Form::Text, &["1234567", "-100"]),
    since(15, "numeric(2,5)", Form::Text, &["0.00012", "'NaN'"]),
    of(
        "money",
        MONEY,
        &["'0'", "'-12.34'", "'1234567.89'", "'-92233720368547758.08'", "'92233720368547758.07'", "'0.01'"],
    ),
    of("text", Form::Text, WORDS),
    of("character varying", Form::Text, WORDS),
    of("character varying(10)", Form::Text, &["''", "'é中\u{1f600}'", "'it''s'"]),
    of("character(5)", Form::Text, &["''", "'ab'", "' x'", "'é中'"]),
    of("bpchar", Form::Text, &["'ab  '", "''"]),
    of("name", Form::Text, &["'n'", "'it''s \"q\" \\'", "repeat('é', 31)"]),
    of(
        "\"char\"",
        CHAR,
        &[
            "'a'",
            "''''",
            "'\\'",
            "'\"'",
            "(-128)::\"char\"",
            "(-1)::\"char\"",
            "0::\"char\"",
            "1::\"char\"",
            "127::\"char\"",
        ],
    ),
    of(
        "bytea",
        BYTEA,
        &["''", r"'\x00'", r"'\x00ff'", r"'\xfbff00'", "decode(repeat('00ff7f80', 1001), 'hex')"],
    ),
    of("date", Form::Text, DAYS),
    of("time without time zone", Form::Text, TIMES),
    of("time(0) without time zone", Form::Text, TIMES),
    of("time(3) without time zone", Form::Text, TIMES),
    of(
        "time with time zone",
        TIMETZ,
        &[
            "'03:04:05.678901+02'",
            "'24:00:00+00'",
            "'01:00+05:30'",
            "'23:30:00.12-09:30'",
            "'12:00+00:19:32'",
            "'12:00-15:59:59'",
        ],
    ),
    of("time(3) with time zone", TIMETZ, &["'03:04:05.678901+02'", "'00:00-12'"]),
    of("timestamp without time zone", TIMESTAMP, INSTANTS),
    of("timestamp(0) without time zone", TIMESTAMP, INSTANTS),
    of("timestamp(3) without time zone", TIMESTAMP, INSTANTS),
    of("timestamp with time zone", TIMESTAMPTZ, INSTANTS),
    of("timestamp(0) with time zone", TIMESTAMPTZ_0, INSTANTS),
    of("timestamp(3) with time zone", TIMESTAMPTZ_3, INSTANTS),
    of("interval", INTERVAL, SPANS),
    of("interval", INTERVAL, &["'2147483647:00:54.775807'", "'-2147483647:00:54.775807'"]),
    since(15, "interval", INTERVAL, &["'2562047788:00:54.775807'", "'-2562047788:00:54.775807'"]),
    of("interval(2)", INTERVAL, SPANS),
    of("interval year to month", INTERVAL, &["'1 year 2 mons'", "'-13 mons'"]),
    since(17, "interval", INTERVAL, &["'infinity'", "'-infinity'"]),
    of(
        "uuid",
        Form::Text,
        &["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'FFFFFFFF-ffff-ffff-ffff-ffffffffffff'"],
    ),
    of(
        "json",
        Form::Text,
        &["'{\"a\": [1,  null], \"it''s\": \"\\u00e9\\n\"}'", "' null '", "'\"\\\\\"'", "'1e3'"],
    ),
    of(
        "jsonb",
        Form::Text,
        &["'{\"b\": [1,  null], \"a\": \"it''s \\u00e9\\n\"}'", "'null'", "'\"\\\\\"'", "'1.00'"],
    ),
    of("xml", Form::Text, &["'<a b=\"c\">it''s é</a>'", "'text'", "''"]),
    of("jsonpath", Form::Text, &["'$.a[*] ? (@ > 1)'", "'$'"]),
    of("inet", Form::Text, &["'192.168.1.1'", "'192.168.1.1/24'", "'::1'", "'::ffff:1.2.3.4/96'"]),
    of("cidr", Form::Text, &["'10.0.0.0/8'", "'2001:db8::/32'", "'1.2.3.4/32'"]),
    of("macaddr", Form::Text, &["'08:00:2b:01:02:03'"]),
    of("macaddr8", Form::Text, &["'08:00:2b:01:02:03:04:05'"]),
    of("point", Form::Text, &["'(1,-2.5)'", "'(NaN,Infinity)'"]),
    of("line", Form::Text, &["'{1,2,3}'"]),
    of("lseg", Form::Text, &["'[(0,0),(1,1)]'"]),
    of("box", Form::Text, &["'((1,1),(0,0))'", "'((2.5,3),(-1,0))'"]),
    of("path", Form::Text, &["'[(0,0),(1,1)]'", "'((0,0),(1,1),(2,0))'"]),
    of("polygon", Form::Text, &["'((0,0),(1,1),(2,0))'"]),
    of("circle", Form::Text, &["'<(1,2),3>'"]),
    of("bit(1)", BIT, &["B'1'", "B'0'"]),
    of("bit", BIT, &["B'1'", "B'0'"]),
    of("bit(9)", Form::Text, &["B'101010101'", "B'000000000'"]),
    of("bit varying", Form::Text, &["B''", "B'1'", "repeat('01', 100)::bit varying"]),
    of("bit varying(5)", Form::Text, &["B'00101'", "B''"]),
    of("tsvector", Form::Text, &["'a:1A fat:2 ''it''''s'''", "''"]),
    of("tsquery", Form::Text, &["'fat & (rat | !cat)'", "'a <-> b:*A'"]),
    of("int4range", Form::Text, &["'[1,5)'", "'empty'", "'(,)'", "'[,5]'"]),
    of("int8range", Form::Text, &["'[1,9223372036854775807)'", "'empty'"]),
    of("numrange", Form::Text, &["'(1.50,NaN]'", "'[,0)'"]),
    of("daterange", Form::Text, &["'[2026-01-02,infinity)'", "'[-infinity,0044-03-15 BC)'"]),
    of("tsrange", Form::Text, &["'[2026-01-02 03:04,2026-01-02 03:05:06.5)'", "'(,)'"]),
    of("tstzrange", Form::Text, &["'[2026-01-02 03:04+02,infinity]'", "'empty'"]),
    since(14, "int4multirange", Form::Text, &["'{[1,3),[5,9)}'", "'{}'"]),
    since(14, "int8multirange", Form::Text, &["'{[1,3),(,0]}'", "'{}'"]),
    since(14, "nummultirange", Form::Text, &["'{(1.50,2],[7,)}'"]),
    since(14, "datemultirange", Form::Text, &["'{[2026-01-02,infinity)}'"]),
    since(14, "tsmultirange", Form::Text, &["'{[2026-01-02 03:04,2026-01-02 03:05:06.5)}'"]),
    since(14, "tstzmultirange", Form::Text, &["'{[2026-01-02 03:04+02,infinity]}'"]),
    of("pg_lsn", Form::Text, &["'16/B374D848'", "'0/0'"]),
    of("xid", Form::Text, &["'4294967295'", "'3'"]),
    since(13, "xid8", Form::Text, &["'18446744073709551615'", "'3'"]),
    of("cid", Form::Text, &["'7'"]),
    of("tid", Form::Text, &["'(4294967295,65535)'"]),
    of("txid_snapshot", Form::Text, &["'10:20:10,14,15'"]),
    since(13, "pg_snapshot", Form::Text, &["'10:20:10,14,15'"]),
    of("regclass", Form::Text, &["'pg_class'", "'public.\"Some \"\"Table\"\"\"'", "'-'"]),
    of("regtype", Form::Text, &["'integer'", "'public.mood[]'", "'\"char\"'"]),
    of("regproc", Form::Text, &["'now'"]),
    of("regprocedure", Form::Text, &["'sqrt(double precision)'"]),
    of("regoper", Form::Text, &["'||/'"]),
    of("regoperator", Form::Text, &["'+(integer,integer)'"]),
    of("regrole", Form::Text, &["quote_ident(current_user)::regrole"]),
    of("regnamespace", Form::Text, &["'public'"]),
    of("regconfig", Form::Text, &["'simple'"]),
    of("regdictionary", Form::Text, &["'simple'"]),
    since(13, "regcollation", Form::Text, &["'\"C\"'"]),
    of("int2vector", Form::Text, &["'1 -2 3'", "''"]),
    of("oidvector", Form::Text, &["'1 4294967295'", "''"]),
    of("refcursor", Form::Text, &["'it''s'"]),
    of("aclitem", Form::Text, &["makeaclitem(0, quote_ident(current_user)::regrole, 'SELECT', true)"]),
    of(
        "public.hstore",
        HSTORE,
        &["''", r#"'a=>1, bb=>NULL, "q\"u''o"=>"back\\slash", ""=>""'"#, "'é=>\u{1f600}'"],
    ),
    of("public.citext", Form::Text, WORDS),
    of("public.ltree", Form::Text, &["'Top.Science.Astronomy'", "''"]),
    of("public.lquery", Form::Text, &["'Top.*{1,2}.a|b'"]),
    of("public.ltxtquery", Form::Text, &["'a & !b*'"]),
    of("public.cube", Form::Text, &["'(1,2),(3.5,4)'"]),
    of("public.mood", Form::Text, &["'sad'", "'so so'", "'\"it''s\" \\ok'"]),
    of("public.pair", Form::Text, &["ROW(1, 'it''s \"q\" \\,')", "ROW(NULL, NULL)", "ROW(2, '')"]),
    of("public.floatrange", Form::Text, &["'[1.5,Infinity)'", "'empty'"]),
    since(14, "public.floatmultirange", Form::Text, &["'{[1.5,2),[3,)}'"]),
    of("public.very_positive", Form::Json, &["11", "2147483647"]),
];
