//! Which captures are replayed on a major, how, and what is expected of each.

use std::collections::{BTreeMap, BTreeSet};

use super::differences::{self, Difference, Outcome};
use super::read::Frame;
use super::{normal, script};
use crate::corpus::{self, Case};
use crate::support::Result;
use crate::support::walsender::PluginOption;

/// What a capture's server did by itself and those of today have to be told.
const FURTHER_SETTINGS: [(&str, &str); 1] = [("types-scalar.pg11", "-c extra_float_digits=0")];

/// The captures, by name.
pub(crate) type Captures = BTreeMap<String, Case>;

/// A capture on one major.
pub(crate) struct Plan<'a> {
    pub(crate) case: &'a Case,
    pub(crate) difference: Option<&'static Difference>,
    /// The capture that holds what is expected.
    pub(crate) expected: &'a Case,
    /// The case's own script.
    pub(crate) own_script: String,
    /// What is run.
    pub(crate) script: String,
    /// The `options` of the reader's startup packet.
    pub(crate) settings: String,
    pub(crate) options: Vec<PluginOption>,
}

pub(crate) fn captures() -> Captures {
    corpus::cases().into_iter().map(|case| (case.name.clone(), case)).collect()
}

/// Every capture that this major is asked for.
pub(crate) fn plans(captures: &Captures, major: u16) -> Result<Vec<Plan<'_>>> {
    let mut elsewhere: BTreeSet<&str> = differences::NOT_REPLAYED.iter().map(|(name, _)| *name).collect();
    elsewhere.extend(differences::ALL.iter().filter_map(|one| one.outcome.capture()));
    let unknown = elsewhere.iter().find(|name| !captures.contains_key(**name));
    assert_eq!(unknown, None, "there is no such capture");
    for case in differences::ALL.iter().flat_map(|one| one.cases) {
        assert!(captures.contains_key(*case), "there is no capture {case}");
    }
    // The regression scripts that these were made with are PostgreSQL's own.
    let is_case =
        |name: &str| !name.starts_with("rg-") && (!elsewhere.contains(name) || !name.contains(".pg"));
    captures.values().filter(|case| is_case(&case.name)).map(|case| plan(captures, case, major)).collect()
}

fn plan<'a>(captures: &'a Captures, case: &'a Case, major: u16) -> Result<Plan<'a>> {
    let name = case.name.as_str();
    let difference = differences::of(name, major);
    let outcome = difference.map(|difference| difference.outcome);
    let own_script = script::of_case(name).ok_or_else(|| format!("{name} has no script"))?;
    let script = match outcome {
        Some(Outcome::Rewritten { script, .. }) => script.to_owned(),
        _ => own_script.clone(),
    };
    let of_capture = case.head["startup_options"].as_str().unwrap_or_default();
    let further = FURTHER_SETTINGS.iter().find(|(known, _)| *known == name);
    let settings = match outcome {
        Some(Outcome::WithoutSetting(_)) => "",
        _ => further.map_or(of_capture, |(_, setting)| setting),
    };
    let expected = outcome.and_then(|outcome| outcome.capture()).and_then(|name| captures.get(name));
    Ok(Plan {
        case,
        difference,
        expected: expected.unwrap_or(case),
        own_script,
        script,
        settings: settings.to_owned(),
        options: serde_json::from_value(case.head["options"].clone())?,
    })
}

impl Plan<'_> {
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.difference.map(|difference| difference.outcome)
    }

    /// The database's, as `encoding 'LATIN1' …` says it.
    pub(crate) fn encoding(&self) -> Result<&str> {
        let options = self.case.head["database_options"].as_str().unwrap_or_default();
        if options.is_empty() {
            return Ok("UTF8");
        }
        let quoted = options.strip_prefix("encoding '").and_then(|rest| rest.split_once('\''));
        Ok(quoted.ok_or_else(|| format!("no encoding in {options}"))?.0)
    }

    pub(crate) fn two_phase(&self) -> bool {
        self.case.head["two_phase"] == true
    }

    pub(crate) fn fault(&self, error: &dyn std::fmt::Display) -> String {
        format!("{}: {error}", self.case.name)
    }

    /// Holds what came against what is expected.
    pub(crate) fn check(&self, frames: &[Frame]) -> Result<()> {
        let received = normal::received(frames)?;
        let compare = |with: &Case, without: Option<&str>, shorter: usize| {
            let mut captured = normal::captured(with, without)?;
            captured.truncate(captured.len().saturating_sub(shorter));
            normal::compare(&captured, &received, with.head["frames_elided"] != 0)
        };
        let (without, shorter) = match self.outcome() {
            Some(Outcome::Rewritten { without, .. }) => (without, 0),
            Some(Outcome::Shorter(shorter)) => (None, shorter),
            _ => (None, 0),
        };
        let (found, own) = (compare(self.expected, without, shorter), compare(self.case, None, 0));
        found.map_err(|error| format!("not as {}: {error}", self.expected.name))?;
        let differs = self.expected.name != self.case.name || without.is_some() || shorter > 0;
        if differs && own.is_ok() {
            return Err(
                "it prints what the capture without a suffix holds: the listed difference is none".into()
            );
        }
        Ok(())
    }
}
