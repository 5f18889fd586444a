//! The encoding plans of the tables seen so far.
//!
//! A plan is made when a table's first change comes, and again when its columns are not those the plan was made
//! for: nothing else in the stream tells of a changed schema. The catalog knows the table as it is *now*, the
//! change as it was *then*; where the two differ, the change's own columns win.

use std::collections::{HashMap, HashSet};

use crate::decode::{Relation, RowChange};
use crate::encode::charset::Charset;
use crate::encode::{Encoder, PlanError, TablePlan};
use crate::lsn::Lsn;
use crate::pipeline::error::PipelineError;
use crate::pipeline::table_filter::TableFilter;
use crate::postgres::catalog::Catalog;
use crate::postgres::client::Dial;
use crate::table::{ReplicaIdentity, Table, TableName};

/// What is done with a table's changes.
#[derive(Debug)]
pub enum Treatment {
    /// They are left out by configuration.
    Excluded,
    /// They are encoded by this plan.
    Planned(Box<Planned>),
}

/// A planned table.
#[derive(Debug)]
pub struct Planned {
    /// How its rows are encoded.
    pub plan: TablePlan,
    /// The catalog's description it was made with, with the key that was settled on.
    table: Option<Table>,
    /// Whether deletes without a key were already warned about.
    pub warned_of_deletes: bool,
}

/// Plans by printed table name.
#[derive(Debug)]
pub struct Plans {
    filter: TableFilter,
    charset: Charset,
    by_name: HashMap<Box<[u8]>, usize>,
    treatments: Vec<(Box<[u8]>, Treatment)>,
    /// Of the table asked for last: changes of one table come one behind the other.
    last: usize,
    /// Topics whose existence was made sure of.
    topics: HashSet<String>,
}

impl Plans {
    /// No plans yet.
    pub fn new(filter: TableFilter, charset: Charset) -> Self {
        Self {
            filter,
            charset,
            by_name: HashMap::new(),
            treatments: Vec::new(),
            last: 0,
            topics: HashSet::new(),
        }
    }

    /// The treatment of a table, if it is known.
    pub fn get(&mut self, relation: Relation<'_>) -> Option<&mut Treatment> {
        let is_last = self.treatments.get(self.last).is_some_and(|(name, _)| **name == *relation.text);
        if !is_last {
            self.last = *self.by_name.get(relation.text)?;
        }
        self.treatments.get_mut(self.last).map(|(_, treatment)| treatment)
    }

    /// Sets what is done with a table.
    fn set(&mut self, relation: Relation<'_>, treatment: Treatment) {
        if let Some(known) = self.get(relation) {
            *known = treatment;
        } else {
            self.by_name.insert(relation.text.into(), self.treatments.len());
            self.treatments.push((relation.text.into(), treatment));
        }
    }

    /// Whether a topic still has to be prepared. Asked once for each.
    pub fn is_new_topic(&mut self, topic: &str) -> bool {
        !self.topics.contains(topic) && self.topics.insert(topic.to_owned())
    }

    /// Makes the plan for a table from the catalog and the change at hand, if there is one; returns its topic
    /// unless the table is excluded.
    pub async fn load<D: Dial>(
        &mut self,
        relation: Relation<'_>,
        change: Option<&RowChange<'_>>,
        catalog: &mut Catalog<D>,
        encoder: &Encoder,
        lsn: Lsn,
    ) -> Result<Option<String>, PipelineError> {
        let failed = |source: PlanError| PipelineError::Plan {
            lsn,
            table: relation.text.escape_ascii().to_string(),
            source,
        };
        let name = self.name_of(relation).map_err(failed)?;
        if !self.filter.includes(&name) {
            self.set(relation, Treatment::Excluded);
            return Ok(None);
        }
        let known = catalog.table(&name).await?;
        let (before, warned_of_deletes) = match self.get(relation) {
            Some(Treatment::Planned(planned)) => (planned.table.take(), planned.warned_of_deletes),
            _ => (None, false),
        };
        let table = match change {
            Some(change) => {
                let columns = self.columns_of(change).map_err(failed)?;
                Some(settle_key(known, before, &columns, shows_key(change), &name))
            }
            None => known.or(before),
        };
        let plan = match change {
            Some(change) => encoder.plan(change, table.as_ref()),
            None => encoder.plan_relation(relation, table.as_ref()),
        }
        .map_err(failed)?;
        let topic = plan.topic().to_owned();
        let planned = Planned { plan, table, warned_of_deletes };
        self.set(relation, Treatment::Planned(Box::new(planned)));
        Ok(Some(topic))
    }

    fn name_of(&self, relation: Relation<'_>) -> Result<TableName, PlanError> {
        Ok(TableName {
            schema: self.decoded(&relation.schema.unquoted())?,
            table: self.decoded(&relation.table.unquoted())?,
        })
    }

    fn decoded(&self, name: &[u8]) -> Result<String, PlanError> {
        let mut scratch = String::new();
        Ok(self.charset.decode(name, &mut scratch)?.to_owned())
    }

    /// The names of the columns that a change prints of its old row, or of its new one where it has no other.
    fn columns_of(&self, change: &RowChange<'_>) -> Result<Vec<String>, PlanError> {
        let Some(columns) = change.old.or(change.new) else { return Ok(Vec::new()) };
        columns.iter().map(|column| self.decoded(&column.name.unquoted())).collect()
    }
}

/// Whether the old row that a change prints can be just the key, as under the default replica identity. One that is
/// as long as the new row is more likely the whole of it.
fn shows_key(change: &RowChange<'_>) -> bool {
    let Some(old) = change.old else { return false };
    change.new.is_none_or(|new| old.iter().count() < new.iter().count())
}

/// Chooses the key for a change that prints `columns`. The catalog's key, if the row has its columns; else the key
/// the table had before; else, for an old row that is only a key (`shows_key`), just that; else none, with a warning,
/// rather than a guess.
fn settle_key(
    known: Option<Table>,
    before: Option<Table>,
    columns: &[String],
    shows_key: bool,
    name: &TableName,
) -> Table {
    let mut table = known.or_else(|| before.clone()).unwrap_or_else(|| unknown_table(name));
    let fits = |key: &[String]| key.iter().all(|column| columns.contains(column));
    if columns.is_empty() || table.key.as_deref().is_some_and(fits) {
        return table;
    }
    let is_only_a_key = shows_key && table.replica_identity != ReplicaIdentity::Full;
    let earlier = before.and_then(|before| before.key).filter(|key| fits(key));
    if table.key.is_none() && earlier.is_none() && !is_only_a_key {
        return table;
    }
    let key = earlier.or_else(|| is_only_a_key.then(|| columns.to_vec()));
    tracing::warn!(
        table = %name, ?key,
        "a change from before the table was altered does not have the key it has now; it gets the key it had, as far \
         as that is known"
    );
    table.key = key;
    table
}

/// A table that the catalog does not know any more.
fn unknown_table(name: &TableName) -> Table {
    Table {
        name: name.clone(),
        replica_identity: ReplicaIdentity::Default,
        columns: Vec::new(),
        key: None,
        key_is_logged: false,
    }
}

#[cfg(test)]
mod tests {
    use super::settle_key;
    use crate::table::{ReplicaIdentity, Table, TableName};

    fn name() -> TableName {
        TableName { schema: "public".to_owned(), table: "t".to_owned() }
    }

    fn table(key: &[&str]) -> Table {
        let key = key.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>();
        Table {
            name: name(),
            replica_identity: ReplicaIdentity::Default,
            columns: Vec::new(),
            key: (!key.is_empty()).then_some(key),
            key_is_logged: true,
        }
    }

    fn settled(
        known: Option<Table>,
        before: Option<Table>,
        columns: &[&str],
        shows_key: bool,
    ) -> Option<Vec<String>> {
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        settle_key(known, before, &columns, shows_key, &name()).key
    }

    #[test]
    fn the_catalogs_key_where_the_row_has_it() {
        let key = settled(Some(table(&["b", "a"])), None, &["a", "b", "c"], false);
        assert_eq!(key.unwrap(), ["b", "a"]);
    }

    #[test]
    fn the_earlier_key_for_a_row_from_before_the_alteration() {
        let key = settled(Some(table(&["new_id"])), Some(table(&["id"])), &["id", "v"], false);
        assert_eq!(key.unwrap(), ["id"]);
    }

    #[test]
    fn no_key_rather_than_a_guess() {
        assert_eq!(settled(Some(table(&["new_id"])), None, &["id", "v"], false), None);
        assert_eq!(settled(None, None, &["id", "v"], false), None);
    }

    #[test]
    fn a_delete_shows_its_own_key() {
        let key = settled(Some(table(&["new_id"])), None, &["id"], true);
        assert_eq!(key.unwrap(), ["id"]);
        let key = settled(None, None, &["id"], true);
        assert_eq!(key.unwrap(), ["id"]);
    }

    #[test]
    fn an_old_row_shows_that_the_key_is_another_one() {
        let key = settled(Some(table(&["later"])), Some(table(&["earlier"])), &["between"], true);
        assert_eq!(key.unwrap(), ["between"]);
    }

    #[test]
    fn a_table_without_a_key_stays_so() {
        assert_eq!(settled(Some(table(&[])), None, &["a"], false), None);
    }
}
