//! Names of topics: a template compiled once, rendered once per table.
//!
//! Every UTF-16 unit that a topic name cannot hold becomes `_`, as with the reference connector, so an emoji
//! becomes two. Two tables can fall on one topic by that; whoever knows all tables checks it.

use crate::table::TableName;

/// The longest name Kafka takes.
const MAX_LENGTH: usize = 249;

/// The template is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// An unknown or open `{…}`.
    #[error(
        "unknown placeholder `{{{0}` in the topic template; there are {{prefix}}, {{schema}} and {{table}}"
    )]
    Placeholder(String),
    /// A character that a topic name cannot hold.
    #[error("`{0}` cannot stand in a topic's name; use letters, digits, `.`, `_` and `-`")]
    Character(char),
}

/// A rendered name is not one that Kafka takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the topic of {table} would be called `{topic}`, which Kafka refuses: a name has 1 to {MAX_LENGTH} characters \
     and is neither `.` nor `..`; shorten the prefix or the template"
)]
pub struct TopicNameError {
    /// The table.
    pub table: TableName,
    /// The name.
    pub topic: String,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Schema,
    Table,
}

/// A compiled template; the prefix is already filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicTemplate {
    parts: Vec<Part>,
}

impl TopicTemplate {
    /// What the reference connector uses.
    pub const DEFAULT: &'static str = "{prefix}.{schema}.{table}";

    /// Compiles `template`.
    pub fn new(template: &str, prefix: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, behind)) = rest.split_once('{') {
            push_text(&mut parts, text)?;
            let (name, behind) =
                behind.split_once('}').ok_or_else(|| TemplateError::Placeholder(behind.to_owned()))?;
            match name {
                "prefix" => push_text(&mut parts, prefix)?,
                "schema" => parts.push(Part::Schema),
                "table" => parts.push(Part::Table),
                other => return Err(TemplateError::Placeholder(format!("{other}}}"))),
            }
            rest = behind;
        }
        push_text(&mut parts, rest)?;
        Ok(Self { parts })
    }

    /// The topic of `table`.
    pub fn render(&self, table: &TableName) -> Result<String, TopicNameError> {
        let mut topic = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => topic.push_str(text),
                Part::Schema => push_sanitized(&mut topic, &table.schema),
                Part::Table => push_sanitized(&mut topic, &table.table),
            }
        }
        if topic.is_empty() || topic.len() > MAX_LENGTH || topic == "." || topic == ".." {
            return Err(TopicNameError { table: table.clone(), topic });
        }
        Ok(topic)
    }
}

/// Checks a name that is used as it stands.
pub(crate) fn check_text(text: &str) -> Result<(), TemplateError> {
    match text.chars().find(|character| !is_legal(*character)) {
        Some(character) => Err(TemplateError::Character(character)),
        None => Ok(()),
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) -> Result<(), TemplateError> {
    check_text(text)?;
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
    Ok(())
}

fn push_sanitized(topic: &mut String, name: &str) {
    for character in name.chars() {
        if is_legal(character) {
            topic.push(character);
        } else {
            topic.extend(std::iter::repeat_n('_', character.len_utf16()));
        }
    }
}

fn is_legal(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::{TemplateError, TopicTemplate};
    use crate::table::TableName;

    fn topic(template: &str, schema: &str, table: &str) -> String {
        let name = TableName { schema: schema.to_owned(), table: table.to_owned() };
        TopicTemplate::new(template, "shop").expect("template").render(&name).expect("name")
    }

    #[test]
    fn names_of_the_reference_run() {
        for (schema, table, expected) in [
            ("public", "orders", "shop.public.orders"),
            ("S p", "T.t", "shop.S_p.T.t"),
            ("Ünï", "tablé中", "shop._n_.tabl__"),
            ("public", "😀", "shop.public.__"),
            ("public", "semi;colon:'", "shop.public.semi_colon__"),
            ("public", "tab\tand\"quote\\", "shop.public.tab_and_quote_"),
        ] {
            assert_eq!(topic(TopicTemplate::DEFAULT, schema, table), expected);
        }
    }

    #[test]
    fn other_templates() {
        assert_eq!(topic("cdc-{table}", "s", "t"), "cdc-t");
        assert_eq!(topic("all", "s", "t"), "all");
        assert_eq!(
            TopicTemplate::new("{prefix}.{name}", "p"),
            Err(TemplateError::Placeholder("name}".to_owned()))
        );
        assert_eq!(TopicTemplate::new("a{table", "p"), Err(TemplateError::Placeholder("table".to_owned())));
        assert_eq!(TopicTemplate::new("{prefix}", "a b"), Err(TemplateError::Character(' ')));
        assert_eq!(TopicTemplate::new("a}b", "p"), Err(TemplateError::Character('}')));
    }

    #[test]
    fn names_kafka_refuses() {
        let long = TableName { schema: "s".to_owned(), table: "t".repeat(250) };
        let template = TopicTemplate::new("{table}", "p").expect("template");
        assert!(template.render(&long).is_err());
        let dots = TableName { schema: "s".to_owned(), table: "..".to_owned() };
        assert!(template.render(&dots).is_err());
        assert!(TopicTemplate::new("", "p").expect("template").render(&dots).is_err());
    }
}
