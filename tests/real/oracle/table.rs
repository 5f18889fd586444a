//! A table made at random, and what SQL says of it.

use std::ops::Range;

use super::kinds::{Kind, Maker};
use super::words::{self, Names};
use crate::random::Random;
use crate::support::Result;
use crate::support::session::{Session, literal, quoted};

/// What the WAL keeps of old rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The primary key.
    Default,
    /// A primary key, but one that is checked late: nothing.
    Deferrable,
    /// No primary key: nothing.
    Keyless,
    Index,
    Full,
    /// The same without a primary key: a row can be all nulls.
    FullKeyless,
    Nothing,
}

/// How a column is filled.
pub(crate) enum Filled {
    /// Of the key: never null, and never twice.
    Key,
    /// Long, and stored out of line as it is.
    Long,
    Any,
    /// By the server, from the column before.
    Generated,
}

pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) filled: Filled,
}

pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) columns: Vec<Column>,
    /// The statements that make it, and those that change it when it has rows.
    pub(crate) setup: Vec<String>,
    pub(crate) later: Vec<String>,
}

/// A column as the catalog has it.
pub(crate) struct Described {
    pub(crate) name: Vec<u8>,
    /// `format_type` without a modifier.
    pub(crate) type_text: Vec<u8>,
    pub(crate) type_oid: u32,
    /// Generated when it is read: the WAL does not have it.
    pub(crate) is_virtual: bool,
}

impl Table {
    pub(crate) fn random(number: u64, major: u16, random: &mut Random) -> Self {
        let mut names = Names::default();
        let schema = format!("{number} {}", cut(&names.next(random)));
        let mut maker = Maker { major, schema: schema.clone(), names: &mut names, setup: Vec::new() };
        let identity = random.one_of(&[
            Identity::Default,
            Identity::Default,
            Identity::Deferrable,
            Identity::Keyless,
            Identity::Index,
            Identity::Full,
            Identity::FullKeyless,
            Identity::Nothing,
        ]);
        let mut kinds: Vec<(Kind, Filled)> = Vec::new();
        if !matches!(identity, Identity::Keyless | Identity::FullKeyless) {
            for _ in 0..random.between(1, 3) {
                let declared = random.one_of(&[
                    "integer",
                    "bigint",
                    "text",
                    "numeric",
                    "uuid",
                    "bytea",
                    "character varying",
                ]);
                kinds.push((Kind::of_key(declared), Filled::Key));
            }
        }
        let of_turns = turns(number);
        let most = if of_turns.is_empty() { 12 } else { 8 };
        kinds.extend(of_turns.map(|turn| (maker.turn(turn), Filled::Any)));
        for _ in 0..random.between(0, most) {
            kinds.push((maker.kind(random), Filled::Any));
        }
        for _ in 0..random.between(0, 2) {
            kinds.push((Kind::text(), Filled::Long));
        }
        random.shuffle(&mut kinds);
        let mut setup = maker.setup;
        let mut columns: Vec<Column> = kinds
            .into_iter()
            .map(|(kind, filled)| Column { name: names.next(random), kind, filled })
            .collect();
        let name = names.next(random);
        let qualified = format!("{}.{}", quoted(&schema), quoted(&name));
        let mut declared: Vec<String> = columns.iter().map(|column| declaration(column, identity)).collect();
        if random.percent(30) {
            add_generated(&mut columns, &mut declared, &mut names, major, random);
        }
        let dropped = random.percent(30).then(|| quoted(&names.next(random)));
        if let Some(dropped) = &dropped {
            let at = usize::try_from(random.between(0, declared.len() as u64)).unwrap_or_default();
            declared.insert(at, format!("{dropped} integer DEFAULT 7"));
        }
        setup.insert(0, format!("CREATE SCHEMA {}", quoted(&schema)));
        setup.push(format!("CREATE TABLE {qualified} ({})", declared.join(", ")));
        setup.extend(dropped.map(|dropped| format!("ALTER TABLE {qualified} DROP COLUMN {dropped}")));
        setup.extend(storage(&qualified, &columns));
        setup.extend(identify(&qualified, identity, &columns));
        let mut later = Vec::new();
        if random.percent(30) {
            let column = Column {
                name: names.next(random),
                kind: Kind::of_key("character varying"),
                filled: Filled::Any,
            };
            let default: String = words::text(random).chars().take(100).collect();
            let default = literal(&default);
            later.push(format!(
                "ALTER TABLE {qualified} ADD COLUMN {} character varying DEFAULT {default}",
                quoted(&column.name)
            ));
            columns.push(column);
        }
        Self { schema, name, identity, columns, setup, later }
    }

    pub(crate) fn qualified(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// The columns that there are, as the session's settings have their types printed.
    pub(crate) fn describe(&self, session: &mut Session, major: u16) -> Result<Vec<Described>> {
        let is_virtual = if major >= 18 { "attgenerated = 'v'" } else { "false" };
        let rows = session.query_raw(&format!(
            "SELECT attname, format_type(atttypid, NULL), atttypid, {is_virtual} FROM pg_attribute
              WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            literal(&self.qualified())
        ))?;
        let described = rows.into_iter().map(|row| match row.as_slice() {
            [Some(name), Some(type_text), Some(oid), Some(is_virtual)] => Ok(Described {
                name: name.clone(),
                type_text: type_text.clone(),
                type_oid: str::from_utf8(oid)?.parse()?,
                is_virtual: is_virtual == b"t",
            }),
            other => Err(format!("not a column: {other:?}").into()),
        });
        described.collect()
    }
}

/// The turns of a table's columns: tables that follow one another have every built-in type, but an eighth of them need
/// not have any column.
fn turns(number: u64) -> Range<u64> {
    const EACH: u64 = 5;
    let turn = number - number / 8;
    if number.is_multiple_of(8) { 0..0 } else { EACH * turn..EACH * (turn + 1) }
}

/// Leaves room for the number before it.
fn cut(name: &str) -> &str {
    let end = (0..=40.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    name.split_at(end).0
}

fn declaration(column: &Column, identity: Identity) -> String {
    let not_null = match (&column.filled, identity) {
        (Filled::Key, Identity::Index) => " NOT NULL",
        _ => "",
    };
    format!("{} {}{not_null}", quoted(&column.name), column.kind.declared)
}

/// A number and what the server makes of it.
fn add_generated(
    columns: &mut Vec<Column>,
    declared: &mut Vec<String>,
    names: &mut Names,
    major: u16,
    random: &mut Random,
) {
    let base = Column { name: names.next(random), kind: Kind::of_key("smallint"), filled: Filled::Any };
    declared.push(format!("{} smallint", quoted(&base.name)));
    let of = quoted(&base.name);
    columns.push(base);
    let how: &[&str] = if major >= 18 { &["STORED", "VIRTUAL"] } else { &["STORED"] };
    for how in how {
        let column = Column { name: names.next(random), kind: Kind::text(), filled: Filled::Generated };
        let name = quoted(&column.name);
        declared.push(format!("{name} text GENERATED ALWAYS AS ('it''s ' || {of}::integer * 2) {how}"));
        columns.push(column);
    }
}

/// Long values and keys are not compressed, so that they are stored out of line.
fn storage(qualified: &str, columns: &[Column]) -> Vec<String> {
    let external = |column: &&Column| match column.filled {
        Filled::Long => true,
        Filled::Key => ["text", "bytea", "character varying"].contains(&column.kind.declared.as_str()),
        Filled::Any | Filled::Generated => false,
    };
    let set = |column: &Column| {
        format!("ALTER TABLE {qualified} ALTER {} SET STORAGE EXTERNAL", quoted(&column.name))
    };
    columns.iter().filter(external).map(set).collect()
}

fn identify(qualified: &str, identity: Identity, columns: &[Column]) -> Vec<String> {
    let key = columns.iter().rev().filter(|column| matches!(column.filled, Filled::Key));
    let key: Vec<String> = key.map(|column| quoted(&column.name)).collect();
    let key = key.join(", ");
    let primary = format!("ALTER TABLE {qualified} ADD PRIMARY KEY ({key})");
    let set = |identity: &str| format!("ALTER TABLE {qualified} REPLICA IDENTITY {identity}");
    match identity {
        Identity::Default => vec![primary],
        Identity::Deferrable => vec![format!("{primary} DEFERRABLE")],
        Identity::Keyless => Vec::new(),
        Identity::Full => vec![primary, set("FULL")],
        Identity::FullKeyless => vec![set("FULL")],
        Identity::Nothing => vec![primary, set("NOTHING")],
        Identity::Index => {
            vec![
                format!("CREATE UNIQUE INDEX the_identity ON {qualified} ({key})"),
                set("USING INDEX the_identity"),
            ]
        }
    }
}
