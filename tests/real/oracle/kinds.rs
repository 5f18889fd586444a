//! The types that columns get: every built-in one, with modifiers, and types made at random.

use super::values;
use super::words::Names;
use crate::random::Random;
use crate::support::session::{literal, quoted};
use crate::values::columns;
use crate::values::types::{Form, TYPES, Type};

/// The type of a column.
#[derive(Clone)]
pub(crate) struct Kind {
    /// As a column of it is declared.
    pub(crate) declared: String,
    /// The type below all domains; of an array, that of its elements.
    base: String,
    is_array: bool,
    /// What becomes of a value in an event.
    form: Form,
    source: Source,
}

/// Where values come from.
#[derive(Clone)]
enum Source {
    BuiltIn(&'static Type),
    /// With a modifier of its own: declared otherwise, made as this one is.
    Modified(&'static str),
    /// With so many digits before and behind the point.
    Numeric(u64, u64),
    Enum(Vec<String>),
    Composite(Vec<Kind>),
    /// Over the type of this name.
    Range(&'static str),
    Domain(Box<Kind>),
    Array(Box<Kind>),
}

/// What makes types: a schema for them, and names that are not taken.
pub(crate) struct Maker<'a> {
    pub(crate) major: u16,
    pub(crate) schema: String,
    pub(crate) names: &'a mut Names,
    /// Statements that make them.
    pub(crate) setup: Vec<String>,
}

impl Maker<'_> {
    pub(crate) fn kind(&mut self, random: &mut Random) -> Kind {
        match random.between(0, 99) {
            0..=54 => self.built_in(random),
            55..=62 => modified(random),
            63..=67 => self.enumeration(random),
            68..=72 => self.composite(random),
            73..=76 => self.range(random),
            77..=86 => {
                let over = if random.percent(25) { self.array(random) } else { self.simple(random) };
                self.domain(over)
            }
            _ => self.array(random),
        }
    }

    /// No array, nor a domain over one.
    fn simple(&mut self, random: &mut Random) -> Kind {
        match random.between(0, 9) {
            0..=5 => self.built_in(random),
            6 => modified(random),
            7 => self.enumeration(random),
            8 => self.composite(random),
            _ => {
                let over = self.built_in(random);
                self.domain(over)
            }
        }
    }

    fn built_in(&self, random: &mut Random) -> Kind {
        self.turn(random.between(0, TYPES.len() as u64 - 1))
    }

    /// The built-in type whose turn it is: whoever counts gets every one.
    pub(crate) fn turn(&self, turn: u64) -> Kind {
        let known = TYPES.iter().filter(|of_type| of_type.since <= self.major);
        let turn = usize::try_from(turn % known.clone().count() as u64).unwrap_or_default();
        known.cycle().nth(turn).map_or_else(Kind::text, |of_type| {
            Kind::scalar(of_type.name, of_type.form, Source::BuiltIn(of_type))
        })
    }

    fn name(&mut self, random: &mut Random) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.names.next(random)))
    }

    fn enumeration(&mut self, random: &mut Random) -> Kind {
        let name = self.name(random);
        let mut labels = Names::default();
        let labels: Vec<String> = (0..random.between(1, 5)).map(|_| literal(&labels.next(random))).collect();
        self.setup.push(format!("CREATE TYPE {name} AS ENUM ({})", labels.join(", ")));
        Kind::scalar(&name, Form::Text, Source::Enum(labels))
    }

    fn composite(&mut self, random: &mut Random) -> Kind {
        let name = self.name(random);
        let mut names = Names::default();
        let mut fields = Vec::new();
        for _ in 0..random.between(1, 4) {
            let field = if random.percent(20) { self.array(random) } else { self.simple(random) };
            // Up to 14 its bytes above 127 stand there as they are, and the whole is no text in UTF-8.
            if self.major >= 15 || field.base != "\"char\"" {
                fields.push(field);
            }
        }
        let declared: Vec<String> = fields
            .iter()
            .map(|field| format!("{} {}", quoted(&names.next(random)), field.declared))
            .collect();
        self.setup.push(format!("CREATE TYPE {name} AS ({})", declared.join(", ")));
        Kind::scalar(&name, Form::Text, Source::Composite(fields))
    }

    fn range(&mut self, random: &mut Random) -> Kind {
        let name = self.name(random);
        let subtype = random.one_of(&["text", "uuid", "time without time zone", "double precision", "inet"]);
        // The order of texts must not depend on a collation of the machine's.
        let collation = if subtype == "text" { ", COLLATION = \"C\"" } else { "" };
        // From 14 on a multirange is made with it, whose own name can be taken.
        let multirange = if self.major >= 14 {
            format!(", MULTIRANGE_TYPE_NAME = {}", self.name(random))
        } else {
            String::new()
        };
        self.setup.push(format!("CREATE TYPE {name} AS RANGE (SUBTYPE = {subtype}{collation}{multirange})"));
        Kind::scalar(&name, Form::Text, Source::Range(subtype))
    }

    fn domain(&mut self, over: Kind) -> Kind {
        // Its name is taken when its statement runs, so it is made of a number.
        let name =
            format!("{}.{}", quoted(&self.schema), quoted(&format!("domain ]:\"{}", self.setup.len())));
        self.setup.push(format!("CREATE DOMAIN {name} AS {}", over.declared));
        Kind { declared: name, source: Source::Domain(Box::new(over.clone())), ..over }
    }

    fn array(&mut self, random: &mut Random) -> Kind {
        let element = self.simple(random);
        Kind {
            declared: format!("{}[]", element.declared),
            is_array: true,
            source: Source::Array(Box::new(element.clone())),
            ..element
        }
    }
}

/// Built-in types with a modifier made at random.
fn modified(random: &mut Random) -> Kind {
    let length = random.between(1, 40);
    let (declared, source) = match random.between(0, 4) {
        0 => (format!("character varying({length})"), Source::Modified("character varying")),
        1 => (format!("character({length})"), Source::Modified("character")),
        2 => (format!("bit({})", length + 1), Source::Modified("bit")),
        3 => (format!("bit varying({length})"), Source::Modified("bit varying")),
        _ => {
            let scale = random.between(0, length);
            (format!("numeric({length},{scale})"), Source::Numeric(length - scale, scale))
        }
    };
    Kind::scalar(&declared, Form::Text, source)
}

impl Kind {
    fn scalar(declared: &str, form: Form, source: Source) -> Self {
        Self { declared: declared.to_owned(), base: declared.to_owned(), is_array: false, form, source }
    }

    /// The type of a key.
    pub(crate) fn of_key(declared: &'static str) -> Self {
        let form = TYPES.iter().find(|known| known.name == declared).map_or(Form::Text, |known| known.form);
        Self::scalar(declared, form, Source::Modified(declared))
    }

    /// The one whose values can be made as long as one likes.
    pub(crate) fn text() -> Self {
        Self::of_key("text")
    }

    /// An expression of SQL for a value that is not null.
    pub(crate) fn value(&self, major: u16, random: &mut Random) -> String {
        let value = match &self.source {
            Source::BuiltIn(of_type) => {
                let made =
                    if random.percent(75) { values::value(bare(of_type.name), major, random) } else { None };
                // A modifier can be too narrow for what was made for the type.
                made.filter(|_| !of_type.name.starts_with("numeric("))
                    .unwrap_or_else(|| random.one_of(of_type.values).to_owned())
            }
            Source::Modified(name) => values::value(name, major, random).unwrap_or_default(),
            Source::Numeric(before, behind) => literal(&super::numbers::decimal(random, *before, *behind)),
            Source::Enum(labels) => labels
                .get(usize::try_from(random.between(0, labels.len() as u64 - 1)).unwrap_or(0))
                .cloned()
                .unwrap_or_default(),
            Source::Composite(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|field| field.value_or_null(major, random)).collect();
                format!("ROW({})", fields.join(", "))
            }
            Source::Range(subtype) => {
                values::range_of(&self.declared, subtype, false, major, random).unwrap_or_default()
            }
            Source::Domain(over) => over.value(major, random),
            Source::Array(element) => return self.array(element, major, random),
        };
        format!("CAST({value} AS {})", self.declared)
    }

    /// The same, or NULL.
    pub(crate) fn value_or_null(&self, major: u16, random: &mut Random) -> String {
        if random.percent(15) { "NULL".to_owned() } else { self.value(major, random) }
    }

    fn array(&self, element: &Kind, major: u16, random: &mut Random) -> String {
        let empty = format!("CAST('{{}}' AS {})", self.declared);
        // ARRAY[…] takes these for arrays of numbers.
        if ["int2vector", "oidvector"].contains(&element.base.as_str()) {
            let one = random.one_of(&["'{}'", "'{\"1 2 3\",NULL,\"\",7}'", "'{NULL}'"]);
            return format!("CAST({one} AS {})", self.declared);
        }
        if element.base == "integer" && random.percent(20) {
            return format!("CAST('[-3:-2][4:5]={{{{1,NULL}},{{3,4}}}}' AS {})", self.declared);
        }
        let list = |length: u64, random: &mut Random| {
            (0..length).map(|_| element.value_or_null(major, random)).collect::<Vec<_>>().join(", ")
        };
        let length = random.between(0, 4);
        let array = match random.between(0, 4) {
            _ if length == 0 => return empty,
            0 => format!("ARRAY[[{}], [{}]]", list(length, random), list(length, random)),
            _ => format!("ARRAY[{}]", list(length, random)),
        };
        format!("CAST(CAST({array} AS {}[]) AS {})", element.declared, self.declared)
    }

    /// An expression of SQL for the JSON that a value of `column` becomes.
    pub(crate) fn json(&self, column: &str) -> String {
        let base = if self.is_array { format!("{}[]", self.base) } else { self.base.clone() };
        columns::json(&format!("({column}::{base})"), self.form, self.is_array)
    }
}

/// A type without its modifier.
pub(crate) fn bare(name: &str) -> &str {
    let known = [
        ("time(0) without time zone", "time without time zone"),
        ("time(3) without time zone", "time without time zone"),
        ("time(3) with time zone", "time with time zone"),
        ("timestamp(0) without time zone", "timestamp without time zone"),
        ("timestamp(3) without time zone", "timestamp without time zone"),
        ("timestamp(0) with time zone", "timestamp with time zone"),
        ("timestamp(3) with time zone", "timestamp with time zone"),
        ("interval year to month", "interval"),
    ];
    let found = known.iter().find(|(modified, _)| *modified == name);
    found.map_or_else(|| name.split_once('(').map_or(name, |(start, _)| start), |(_, bare)| bare)
}
