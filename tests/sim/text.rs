//! The text of `test_decoding`, for the tables of this world.

use pgsluice::time::UnixMicros;

/// A table of this world: columns `id` and `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) oid: u32,
    pub(crate) schema: &'static str,
    pub(crate) name: &'static str,
    /// As the plugin prints it.
    pub(crate) printed: &'static str,
    /// Its topic; none for one that is left out.
    pub(crate) topic: Option<&'static str>,
    pub(crate) identity: &'static str,
    pub(crate) keyed: bool,
}

pub(crate) const TABLES: [Table; 4] = [
    Table {
        oid: 16_001,
        schema: "public",
        name: "a",
        printed: "public.a",
        topic: Some("sim.public.a"),
        identity: "d",
        keyed: true,
    },
    Table {
        oid: 16_002,
        schema: "public",
        name: "B c",
        printed: "public.\"B c\"",
        topic: Some("sim.public.B_c"),
        identity: "f",
        keyed: true,
    },
    Table {
        oid: 16_003,
        schema: "public",
        name: "log",
        printed: "public.log",
        topic: Some("sim.public.log"),
        identity: "d",
        keyed: false,
    },
    Table {
        oid: 16_004,
        schema: "public",
        name: "hidden",
        printed: "public.hidden",
        topic: None,
        identity: "d",
        keyed: true,
    },
];

/// The topic of logical messages.
pub(crate) const MESSAGES: &str = "sim.message";

pub(crate) fn tuple(id: u64, value: &str) -> String {
    format!(" id[integer]:{id} v[text]:'{}'", value.replace('\'', "''"))
}

pub(crate) fn insert(table: &Table, id: u64, value: &str) -> String {
    format!("table {}: INSERT:{}", table.printed, tuple(id, value))
}

/// An update of a row; `old` is the id and value it had.
pub(crate) fn update(table: &Table, old: (u64, &str), id: u64, value: &str) -> String {
    let old_key = match table.identity {
        "f" => format!(" old-key:{} new-tuple:", tuple(old.0, old.1)),
        _ if old.0 != id => format!(" old-key: id[integer]:{} new-tuple:", old.0),
        _ => String::new(),
    };
    format!("table {}: UPDATE:{old_key}{}", table.printed, tuple(id, value))
}

pub(crate) fn delete(table: &Table, id: u64, value: &str) -> String {
    let old = if table.identity == "f" { tuple(id, value) } else { format!(" id[integer]:{id}") };
    format!("table {}: DELETE:{old}", table.printed)
}

pub(crate) fn truncate(tables: &[&Table]) -> String {
    let names: Vec<&str> = tables.iter().map(|table| table.printed).collect();
    format!("table {}: TRUNCATE: (no-flags)", names.join(", "))
}

pub(crate) fn message(transactional: bool, content: &str) -> String {
    let size = content.len();
    format!("message: transactional: {} prefix: p, sz: {size} content:{content}", u8::from(transactional))
}

/// A timestamp as the server prints it in the zone UTC.
pub(crate) fn timestamp(time: UnixMicros) -> String {
    let text = time.to_string().replace('T', " ");
    let text = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{text}+00")
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}
