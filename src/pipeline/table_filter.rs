//! Which tables are streamed. Pure.

use crate::table::TableName;

/// One `[[tables]]` entry: a pattern and its exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Pattern of tables that are streamed.
    pub include: String,
    /// Patterns of tables that are not, although `include` matches.
    pub exclude: Vec<String>,
}

/// The tables of a pipeline.
#[derive(Clone, Debug, Default)]
pub struct TableFilter {
    rules: Vec<Rule>,
}

impl TableFilter {
    /// A filter by these rules; a table is streamed if any of them takes it.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// Whether the table is streamed.
    pub fn includes(&self, name: &TableName) -> bool {
        let name = name.to_string();
        let takes = |rule: &Rule| {
            matches(&rule.include, &name) && !rule.exclude.iter().any(|pattern| matches(pattern, &name))
        };
        self.rules.iter().any(takes)
    }

    /// The patterns that match none of `names`.
    pub fn unmatched<'a>(&'a self, names: &[TableName]) -> Vec<&'a str> {
        let used = |rule: &&Rule| names.iter().any(|name| matches(&rule.include, &name.to_string()));
        self.rules.iter().filter(|rule| !used(rule)).map(|rule| rule.include.as_str()).collect()
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text and `?` for one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stood and how much of the text it has taken: on a mismatch it takes one more.
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::{Rule, TableFilter, matches};
    use crate::table::TableName;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("public.*", "public.orders", true),
            ("public.*", "other.orders", false),
            ("*.*", "a.b", true),
            ("public.order?", "public.orders", true),
            ("public.order?", "public.order", false),
            ("*.audit_*", "x.audit_2026", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "", true),
            ("public.\"Weird.Name\"", "public.Weird.Name", false),
            ("S p.T.t", "S p.T.t", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn an_exception_belongs_to_its_own_rule() {
        let filter = TableFilter::new(vec![
            Rule { include: "public.*".to_owned(), exclude: vec!["*.secret*".to_owned()] },
            Rule { include: "public.secret_but_wanted".to_owned(), exclude: Vec::new() },
        ]);
        let name = |table: &str| TableName { schema: "public".to_owned(), table: table.to_owned() };
        assert!(filter.includes(&name("orders")));
        assert!(!filter.includes(&name("secrets")));
        assert!(filter.includes(&name("secret_but_wanted")));
        assert_eq!(filter.unmatched(&[name("orders")]), ["public.secret_but_wanted"]);
    }
}
