//! A database of each encoding, emptied for each script: to make one for each took four fifths of the replay's time.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::support::Result;
use crate::support::session::{Address, Session, quoted};

#[derive(Default)]
pub(crate) struct Databases(BTreeMap<String, Address>);

impl Databases {
    /// One that holds nothing but what a new one does.
    pub(crate) fn empty(&mut self, context: &Context, encoding: &str) -> Result<Address> {
        if let Some(address) = self.0.get(encoding) {
            empty(address)?;
            return Ok(address.clone());
        }
        let address = context.database(encoding)?;
        self.0.insert(encoding.to_owned(), address.clone());
        Ok(address)
    }
}

/// Drops every schema with all that is in it, and the large objects, which are in none.
fn empty(address: &Address) -> Result<()> {
    let mut session = Session::open(address, &address.database)?;
    let schemas = session.query(
        "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'",
    )?;
    let schemas: Vec<String> = schemas.into_iter().flatten().flatten().map(|name| quoted(&name)).collect();
    session.query(&format!("DROP SCHEMA {} CASCADE", schemas.join(", ")))?;
    session.query("CREATE SCHEMA public; SELECT lo_unlink(oid) FROM pg_largeobject_metadata").map(drop)
}
