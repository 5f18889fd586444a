//! What the majors print otherwise than the captures without a suffix, as it was observed. An entry that turns out not
//! to hold fails the replay as well as a difference that has none. `docs/test_decoding.md` has the same table.

use std::ops::RangeInclusive;

/// One of them.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) cases: &'static [&'static str],
    pub(crate) majors: RangeInclusive<u16>,
    pub(crate) outcome: Outcome,
    /// For people.
    pub(crate) what: &'static str,
}

/// How a case goes on such a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// It prints what this capture holds.
    Prints(&'static str),
    /// The script is refused with this code. Another takes its place, and prints what `capture` holds.
    Rewritten {
        sqlstate: &'static str,
        script: &'static str,
        capture: &'static str,
        without: Option<&'static str>,
    },
    /// The script is refused with this code.
    Impossible(&'static str),
    /// There is no slot of this kind: making one is refused with this code.
    NoSlot(&'static str),
    /// The plugin refuses its options with this code.
    Unreadable(&'static str),
    /// The login is refused for a setting, with this code. Without it the same is printed.
    WithoutSetting(&'static str),
    /// It prints the same but for so many messages at the end, which do not come.
    Shorter(usize),
}

use Outcome::{Impossible, NoSlot, Prints, Rewritten, Shorter, Unreadable, WithoutSetting};

pub(crate) const ALL: &[Difference] = &[
    Difference {
        cases: &["char-bytes"],
        majors: 12..=14,
        outcome: Prints("char-bytes.pg14"),
        what: "a `\"char\"` of 0x80 or more is printed as that byte, from 15 on as `\\ooo`",
    },
    Difference {
        cases: &["keywords"],
        majors: 12..=12,
        outcome: Prints("keywords.pg12"),
        what: "`normalize` is bare; a keyword, and so in quotes, from 13 on",
    },
    Difference {
        cases: &["keywords"],
        majors: 16..=16,
        outcome: Prints("keywords.pg16"),
        what: "`json_array`, `json_object` and `system_user` have become keywords",
    },
    Difference {
        cases: &["keywords"],
        majors: 17..=18,
        outcome: Prints("keywords.pg17"),
        what: "`json`, `json_scalar`, `json_table`, `json_value` and `merge_action` have become keywords",
    },
    Difference {
        cases: &["messages-skip"],
        majors: 17..=18,
        outcome: Prints("messages-skip.pg17"),
        what: "with `skip-empty-xacts` a transactional message opens its transaction; before it could stand outside",
    },
    Difference {
        cases: &["messages-skip-noxid"],
        majors: 17..=18,
        outcome: Prints("messages-skip-noxid.pg17"),
        what: "the same",
    },
    Difference {
        cases: &["numeric-forms"],
        majors: 12..=14,
        outcome: Rewritten {
            sqlstate: "22023",
            script: "numeric-forms.pg12",
            capture: "numeric-forms",
            without: Some("n5"),
        },
        what: "there is no negative scale; the other columns print the same",
    },
    Difference {
        cases: &["spilled"],
        majors: 12..=12,
        outcome: WithoutSetting("42704"),
        what: "there is no `logical_decoding_work_mem`; the rows are the same",
    },
    Difference {
        cases: &["streamed", "streamed-noxid"],
        majors: 12..=13,
        outcome: Unreadable("22023"),
        what: "there is no `stream-changes`",
    },
    Difference {
        cases: &["streamed"],
        majors: 18..=18,
        outcome: Shorter(3),
        what: "a transaction that was rolled back before it is read is not streamed: its block, which was empty, and \
               its abort do not come",
    },
    Difference {
        cases: &["two-phase", "two-phase-noxid", "two-phase-streamed"],
        majors: 12..=13,
        outcome: NoSlot("42883"),
        what: "there are no slots with two-phase decoding",
    },
    Difference {
        cases: &["two-phase-streamed"],
        majors: 18..=18,
        outcome: Prints("two-phase-streamed.pg18"),
        what: "a large prepared transaction that was rolled back before it is read is not streamed: it shows as BEGIN and \
               PREPARE TRANSACTION without its rows",
    },
    Difference {
        cases: &["type-json"],
        majors: 17..=18,
        outcome: Prints("type-json.pg17"),
        what: "the built-in `json` is printed like a keyword type, and a user's of that name in quotes",
    },
    Difference {
        cases: &["types-array"],
        majors: 12..=13,
        outcome: Rewritten {
            sqlstate: "42704",
            script: "types-array.pg12",
            capture: "types-array.pg12",
            without: None,
        },
        what: "there are no multiranges and no infinite `numeric`; the other values print the same",
    },
    Difference {
        cases: &["types-scalar"],
        majors: 12..=13,
        outcome: Rewritten {
            sqlstate: "42704",
            script: "types-scalar.pg12",
            capture: "types-scalar.pg12",
            without: None,
        },
        what: "there are no multiranges and no infinite `numeric` (on 12 no `xid8` and `pg_snapshot` either); the \
               other values print the same",
    },
    Difference {
        cases: &["virtual-generated.pg18"],
        majors: 12..=17,
        outcome: Impossible("42601"),
        what: "there are no virtual generated columns; 18 prints them as `null` in new tuples and not in old ones",
    },
    Difference {
        cases: &["with-oids.pg11"],
        majors: 12..=18,
        outcome: Impossible("42601"),
        what: "there is no WITH OIDS; up to 11 each tuple began with a column `oid`",
    },
    Difference {
        cases: &["xacts", "xacts-skip", "xacts-ts"],
        majors: 12..=14,
        outcome: Rewritten { sqlstate: "42601", script: "xacts.pg10", capture: "", without: None },
        what: "there is no MERGE; UPDATE and INSERT in its place print the same",
    },
    Difference {
        cases: &["xacts"],
        majors: 17..=18,
        outcome: Prints("xacts.pg17"),
        what: "CREATE MATERIALIZED VIEW gives no rows any more",
    },
    Difference {
        cases: &["xacts-skip"],
        majors: 17..=18,
        outcome: Prints("xacts-skip.pg17"),
        what: "the same",
    },
    Difference { cases: &["xacts-ts"], majors: 17..=18, outcome: Prints("xacts-ts.pg17"), what: "the same" },
];

/// Captures that are not held against a server.
pub(crate) const NOT_REPLAYED: &[(&str, &str)] = &[
    ("ddl-midstream.pg10", "of 10, where rows of rewritten tables showed under `pg_temp_OID`"),
    ("rewrite.pg10", "the same"),
    ("xacts.pg10", "the same, of REFRESH"),
];

/// The difference of a case on a major.
pub(crate) fn of(case: &str, major: u16) -> Option<&'static Difference> {
    let mut found = ALL.iter().filter(|one| one.cases.contains(&case) && one.majors.contains(&major));
    let first = found.next();
    assert!(found.next().is_none(), "{case} stands twice for {major}");
    first
}

impl Outcome {
    /// The capture that it prints in place of the case's own.
    pub(crate) fn capture(&self) -> Option<&'static str> {
        match self {
            Prints(capture) | Rewritten { capture, .. } => Some(*capture).filter(|name| !name.is_empty()),
            Impossible(_) | NoSlot(_) | Unreadable(_) | WithoutSetting(_) | Shorter(_) => None,
        }
    }
}
