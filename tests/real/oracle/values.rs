//! Expressions of SQL for random values of the built-in types.

use super::{numbers, words};
use crate::corpus;
use crate::random::Random;
use crate::support::session::literal;

/// A value of a type, without its modifier; `None` for types that have written samples only. What a modifier cuts off
/// is cut off by a cast.
pub(crate) fn value(type_name: &str, major: u16, random: &mut Random) -> Option<String> {
    Some(match type_name {
        "boolean" => (if random.percent(50) { "true" } else { "false" }).to_owned(),
        "smallint" => literal(&numbers::integer(random, 16).to_string()),
        "integer" => literal(&numbers::integer(random, 32).to_string()),
        "bigint" => literal(&numbers::integer(random, 64).to_string()),
        "oid" | "xid" | "cid" => literal(&numbers::unsigned(random, 32).to_string()),
        "xid8" => literal(&numbers::unsigned(random, 64).to_string()),
        "pg_lsn" => {
            let lsn = numbers::unsigned(random, 64);
            literal(&format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF))
        }
        "tid" => literal(&format!("({},{})", numbers::unsigned(random, 32), numbers::unsigned(random, 16))),
        "real" => literal(&numbers::real(random)),
        "double precision" => literal(&numbers::double(random)),
        "numeric" => literal(&numbers::numeric(random, major)),
        "money" => literal(&numbers::money(random)),
        "text" | "character varying" | "character" | "bpchar" | "name" | "refcursor" | "public.citext" => {
            literal(&words::text(random))
        }
        "\"char\"" => format!("({})::\"char\"", numbers::integer(random, 8)),
        "bytea" => bytes(random),
        "date" => literal(&numbers::date(random)),
        "time without time zone" => literal(&numbers::time(random)),
        "time with time zone" => literal(&numbers::time_with_zone(random)),
        "timestamp without time zone" | "timestamp with time zone" => literal(&numbers::instant(random)),
        "interval" => literal(&numbers::interval(random, major)),
        "uuid" => literal(&format!("{:016x}{:016x}", random.next(), random.next())),
        "json" | "jsonb" => literal(&json(random, 3)),
        "inet" => literal(&address(random)),
        "cidr" => format!("network({}::inet)", literal(&address(random))),
        "macaddr" => literal(&format!("{:012x}", random.next() >> 16)),
        "macaddr8" => literal(&format!("{:016x}", random.next())),
        "point" => literal(&format!("({},{})", numbers::double(random), numbers::double(random))),
        "lseg" | "box" => literal(&format!("({},{})", pair(random), pair(random))),
        "path" => {
            let points = points(random);
            literal(&if random.percent(50) { format!("[{points}]") } else { format!("({points})") })
        }
        "polygon" => literal(&format!("({})", points(random))),
        "circle" => literal(&format!("<{},{}>", pair(random), random.between(0, 1_000_000))),
        "bit" | "bit varying" => {
            let digits = (0..random.between(0, 70)).map(|_| if random.percent(50) { '1' } else { '0' });
            format!("B{}", literal(&digits.collect::<String>()))
        }
        "tsvector" => {
            let lexemes: Vec<String> =
                (0..random.between(0, 4)).map(|n| literal(&format!("{}{n}", short_text(random)))).collect();
            format!("array_to_tsvector(ARRAY[{}]::text[])", lexemes.join(", "))
        }
        "int2vector" => literal(&list(random, |random| numbers::integer(random, 16).to_string())),
        "oidvector" => literal(&list(random, |random| numbers::unsigned(random, 32).to_string())),
        "public.hstore" => {
            let words = |random: &mut Random| -> Vec<String> {
                (0..3).map(|_| literal(&short_text(random))).collect()
            };
            let (keys, mut values) = (words(random), words(random));
            if let Some(last) = values.last_mut() {
                "NULL".clone_into(last);
            }
            format!("public.hstore(ARRAY[{}], ARRAY[{}])", keys.join(", "), values.join(", "))
        }
        other => return range(other, major, random),
    })
}

/// The built-in ranges, and multiranges of them.
fn range(type_name: &str, major: u16, random: &mut Random) -> Option<String> {
    let (subtype, is_discrete) = match type_name.trim_start_matches("public.") {
        "int4range" | "int4multirange" => ("integer", true),
        "int8range" | "int8multirange" => ("bigint", true),
        "numrange" | "nummultirange" => ("numeric", false),
        "daterange" | "datemultirange" => ("date", true),
        "tsrange" | "tsmultirange" => ("timestamp without time zone", false),
        "tstzrange" | "tstzmultirange" => ("timestamp with time zone", false),
        "floatrange" | "floatmultirange" => ("double precision", false),
        _ => return None,
    };
    let Some(start) = type_name.strip_suffix("multirange") else {
        return range_of(type_name, subtype, is_discrete, major, random);
    };
    let parts: Option<Vec<String>> = (0..random.between(0, 3))
        .map(|_| range_of(&format!("{start}range"), subtype, is_discrete, major, random))
        .collect();
    Some(format!("{type_name}({})", parts?.join(", ")))
}

/// A range of `name` over `subtype`; its bounds may be absent, equal or infinite.
pub(crate) fn range_of(
    name: &str,
    subtype: &str,
    is_discrete: bool,
    major: u16,
    random: &mut Random,
) -> Option<String> {
    let mut bound = || -> Option<String> {
        let absent = random.percent(15);
        let bound = value(subtype, major, random)?;
        Some(if absent { format!("NULL::{subtype}") } else { format!("CAST({bound} AS {subtype})") })
    };
    let (low, high) = (bound()?, bound()?);
    // Other bounds of a discrete range become these, which fails at the end of the type's range.
    let bounds = if is_discrete { "[)" } else { random.one_of(&["[)", "[]", "(]", "()"]) };
    // LEAST and GREATEST leave absent ones out.
    Some(format!(
        "CASE WHEN {low} IS NULL OR {high} IS NULL THEN {name}({low}, {high}, '{bounds}')
           ELSE {name}(least({low}, {high}), greatest({low}, {high}), '{bounds}') END"
    ))
}

fn bytes(random: &mut Random) -> String {
    let length = if random.percent(4) { random.between(2100, 6000) } else { random.between(0, 40) };
    let bytes: Vec<u8> = (0..length).map(|_| random.next().to_ne_bytes()[0]).collect();
    literal(&format!("\\x{}", corpus::hex(&bytes)))
}

fn short_text(random: &mut Random) -> String {
    words::text(random).chars().take(40).collect()
}

/// Any JSON, with the spaces between that `json` keeps.
fn json(random: &mut Random, depth: u32) -> String {
    let string = |random: &mut Random| serde_json::Value::String(short_text(random)).to_string();
    let space = random.one_of(&["", " ", "\n\t"]);
    match random.between(0, if depth == 0 { 4 } else { 6 }) {
        0 => (if random.percent(50) { "true" } else { "false" }).to_owned(),
        1 => "null".to_owned(),
        2 => numbers::integer(random, 64).to_string(),
        3 => format!("{space}{}.50e{}{space}", numbers::integer(random, 16), numbers::integer(random, 6)),
        4 => string(random),
        5 => {
            let items: Vec<String> = (0..random.between(0, 4)).map(|_| json(random, depth - 1)).collect();
            format!("[{space}{}{space}]", items.join(","))
        }
        _ => {
            let members: Vec<String> = (0..random.between(0, 4))
                .map(|_| format!("{}{space}:{space}{}", string(random), json(random, depth - 1)))
                .collect();
            format!("{{{space}{}}}", members.join(&format!("{space},")))
        }
    }
}

fn address(random: &mut Random) -> String {
    let bits = random.next();
    if random.percent(50) {
        let [a, b, c, d, mask, ..] = bits.to_ne_bytes();
        format!("{a}.{b}.{c}.{d}/{}", mask % 33)
    } else {
        let groups: Vec<String> = bits.to_ne_bytes().iter().map(|group| format!("{group:x}")).collect();
        format!("{}/{}", groups.join(":"), random.between(0, 128))
    }
}

fn pair(random: &mut Random) -> String {
    format!("({},{})", numbers::short(random), numbers::short(random))
}

fn points(random: &mut Random) -> String {
    (0..random.between(1, 5)).map(|_| pair(random)).collect::<Vec<_>>().join(",")
}

fn list(random: &mut Random, mut one: impl FnMut(&mut Random) -> String) -> String {
    (0..random.between(0, 5)).map(|_| one(random)).collect::<Vec<_>>().join(" ")
}
