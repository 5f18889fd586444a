//! `check`: whether `run` would work, one line a question, each with its repair.
//!
//! Nothing is written to the database or to Kafka. A question that needs the answer of a failed one is left out:
//! without a login there is nothing to say about the slot.

mod kafka;
mod login;
mod server;
mod slot;
mod tables;
mod tls;

use crate::pipeline::PipelineOptions;
use crate::sink::kafka::KafkaOptions;

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// `run` would work, but something is worth mending.
    Warn,
    /// `run` would not work.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The answer.
    pub verdict: Verdict,
    /// What was asked.
    pub name: &'static str,
    /// What was seen.
    pub seen: String,
    /// What to do about it; empty where nothing is to be done.
    pub repair: String,
}

/// The lines of a report, as they are found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of the questions.
    pub lines: Vec<Line>,
}

impl Report {
    fn pass(&mut self, name: &'static str, seen: impl Into<String>) {
        self.add(Verdict::Pass, name, seen, "");
    }

    fn warn(&mut self, name: &'static str, seen: impl Into<String>, repair: impl Into<String>) {
        self.add(Verdict::Warn, name, seen, repair);
    }

    fn fail(&mut self, name: &'static str, seen: impl Into<String>, repair: impl Into<String>) {
        self.add(Verdict::Fail, name, seen, repair);
    }

    fn add(
        &mut self,
        verdict: Verdict,
        name: &'static str,
        seen: impl Into<String>,
        repair: impl Into<String>,
    ) {
        self.lines.push(Line { verdict, name, seen: seen.into(), repair: repair.into() });
    }

    /// Whether `run` would work.
    pub fn would_run(&self) -> bool {
        self.lines.iter().all(|line| line.verdict != Verdict::Fail)
    }
}

/// Asks everything.
pub async fn run(options: &PipelineOptions, kafka: &KafkaOptions) -> Report {
    let mut report = Report::default();
    login::check_secret(&mut report, options);
    let mut topics = Vec::new();
    let mut position = None;
    if let Some((mut catalog, server)) = login::check_sql(&mut report, options).await {
        login::check_replication(&mut report, options).await;
        server::check(&mut report, &mut catalog, &server).await;
        position = slot::check(&mut report, &mut catalog, &server, options).await;
        topics = tables::check(&mut report, &mut catalog, options).await;
    }
    kafka::check(&mut report, kafka, &options.name, topics, position).await;
    report
}
