//! What was run for a capture: its file, or what cannot be written as one.

use std::fs;

use crate::corpus;
use crate::support::Result;
use crate::support::session::{Address, Session};

/// Scripts that are no file: several sessions, a COPY, a table too wide to write down, a case for many options.
const WRITTEN_HERE: [&str; 4] = ["all-options", "copy-same-lsn", "interleaved", "wide-1600"];

/// The script of a case: that of its own name, or of the name it is a variant of.
pub(crate) fn of_case(case: &str) -> Option<String> {
    let own = corpus::folder().join(format!("{case}.sql"));
    if WRITTEN_HERE.contains(&case) || own.exists() {
        return Some(case.to_owned());
    }
    case.rsplit_once('-').and_then(|(shorter, _)| of_case(shorter))
}

/// Runs a script in a database of its own. The session is handed back open: its end drops temporary tables, which is
/// a transaction.
pub(crate) fn run(address: &Address, script: &str, encoding: &str) -> Result<Session> {
    let mut session = Session::open(address, &address.database)?;
    // The bytes of the file are meant, as psql would send them.
    session.query(&format!("SET client_encoding = {encoding}"))?;
    run_in(&mut session, address, script)?;
    Ok(session)
}

fn run_in(session: &mut Session, address: &Address, script: &str) -> Result<()> {
    match script {
        "all-options" => session
            .query(
                "create table ao(i int primary key); insert into ao values (1); update ao set i=2; delete from ao;",
            )
            .map(drop),
        "copy-same-lsn" => {
            session.query("create table cm(i int primary key, v text)")?;
            let line = |i: u8| format!("{i}\trow {i}\\n it's\n");
            let lines = (1..=30).map(line).collect::<String>();
            session.copy_in("COPY cm FROM STDIN", &lines)
        }
        "interleaved" => interleaved(address),
        "wide-1600" => {
            let list = |one: fn(u16) -> String| (0..1600).map(one).collect::<Vec<_>>().join(", ");
            session.query(&format!("create table w({})", list(|i| format!("c{i} int"))))?;
            session.query(&format!("insert into w values ({})", list(|i| i.to_string())))?;
            session.query("insert into w(c1599) values (1)").map(drop)
        }
        file => {
            let text = fs::read_to_string(corpus::folder().join(format!("{file}.sql")))?;
            // A separator has a line of its own.
            text.split("\n--;\n").try_for_each(|part| session.query(part).map(drop))
        }
    }
}

/// Three sessions whose transactions overlap.
fn interleaved(address: &Address) -> Result<()> {
    let open = || Session::open(address, &address.database);
    let (mut a, mut b, mut c) = (open()?, open()?, open()?);
    a.query("create table il(i int primary key, who text)")?;
    a.query("begin; insert into il values (1, 'a')")?;
    b.query("begin; insert into il values (2, 'b')")?;
    a.query("insert into il values (3, 'a')")?;
    c.query("insert into il values (4, 'c')")?;
    b.query("insert into il values (5, 'b'); commit")?;
    a.query("insert into il values (6, 'a'); commit")?;
    a.query("begin; insert into il values (7, 'a'); savepoint s; insert into il values (8, 'a')")?;
    b.query("begin; insert into il values (9, 'b')")?;
    a.query("rollback to s")?;
    b.query("commit")?;
    a.query("commit").map(drop)
}
