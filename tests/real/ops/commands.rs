//! The commands beside `run`.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::context::Context;
use crate::ops::pipeline::Pipeline;
use crate::ops::slot;
use crate::ops::sluice::{Ended, KAFKA_SECRET, LIMIT, POSTGRES_SECRET, Sluice, folder};
use crate::suite::Suite;
use crate::support::Result;
use crate::support::postgres::{MAJORS, PASSWORD};
use crate::support::session::{Address, Session};

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres(MAJORS, "slot_commands", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let slot = pipeline.slot.as_str();
        let ask = |what: &str| pipeline.command(&["slot", what])?.ended();
        ask("status")?.refused(9, &[slot]);
        ask("drop")?.refused(9, &[slot]);
        assert!(succeeds(&ask("create")?).contains(slot));
        ask("create")?.refused(1, &[slot, "exists"]);
        let status = succeeds(&ask("status")?).to_owned();
        for word in
            [slot, "test_decoding", &pipeline.address.database, "nobody", "confirmed_flush_lsn", "lag"]
        {
            assert!(status.contains(word), "no {word} in {status}");
        }
        let sluice = pipeline.stream()?;
        let reader = slot::get(&mut pipeline.session()?, slot)?.reader.ok_or("nobody reads it")?;
        assert!(succeeds(&ask("status")?).contains(&format!("pid {reader}")));
        ask("drop")?.refused(10, &[slot, &reader.to_string()]);
        sluice.terminate()?;
        assert!(succeeds(&ask("drop")?).contains("dropped"));
        assert_eq!(slot::find(&mut pipeline.session()?, slot)?, None);

        let url = url(&Address { user: "scram_user".to_owned(), ..pipeline.address.clone() }, PASSWORD);
        let by_url = |what: &str| command(context, &["slot", what, "--dsn", &url, "--slot", slot], None);
        assert!(succeeds(&by_url("create")?).contains(slot));
        assert!(succeeds(&by_url("status")?).contains("test_decoding"));
        assert!(succeeds(&by_url("drop")?).contains("dropped"));
        Ok(())
    });
    suite.postgres(MAJORS, "tail_shows_changes_and_leaves_nothing", async |context| {
        let address = context.postgres()?;
        let mut session = Session::open(&address, &address.database)?;
        session.query("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
        for (signal, code) in [(Signal::INT, Some(0)), (Signal::KILL, None)] {
            let tail =
                Sluice::start(folder(context)?, &["tail", &url(&address, POSTGRES_SECRET)], &[], None)?;
            tail.until("has a slot", || Ok(slots(&mut session)? == 1))?;
            tail.until("shows a change", || {
                session.query("INSERT INTO t VALUES (1, 'one') ON CONFLICT (id) DO UPDATE SET v = 'more'")?;
                Ok(tail.output()?.contains("public.t"))
            })?;
            session.query("INSERT INTO t VALUES (2, 'two'); DELETE FROM t WHERE id = 2; TRUNCATE t")?;
            for word in ["insert", "'two'", "delete", "truncate"] {
                tail.until("shows the rest", || Ok(tail.output()?.to_lowercase().contains(word)))?;
            }
            tail.signal(signal)?;
            assert_eq!(tail.ended()?.code, code);
            slot::until("the slot is gone", LIMIT, || Ok(slots(&mut session)? == 0))?;
        }
        Ok(())
    });
    suite.postgres([12, 18], "tail_says_why_it_cannot", async |context| {
        let address = context.postgres()?;
        let url = url(&Address { port: crate::support::ports::free()?, ..address.clone() }, POSTGRES_SECRET);
        command(context, &["tail", &url], None)?.refused(14, &["cannot connect"]);
        command(context, &["tail", "postgresql://127.0.0.1:x/"], None)?.refused(3, &[]);
        Ok(())
    });
    suite.broker("decode_reads_what_was_captured", async |context| {
        context.kafka()?;
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let payloads = captured(&data.join("corpus/strings.jsonl"))?;
        let hex: String = payloads.iter().map(|payload| hex(payload) + "\n").collect();
        let file = |name: &str, content: &[u8]| -> Result<PathBuf> {
            let path = folder(context)?.0.join(name);
            fs::write(&path, content)?;
            Ok(path)
        };
        let input = file("hex", hex.as_bytes())?;
        let decoded = command(context, &["decode", "--framing", "hex"], Some(&input))?;
        assert_eq!(succeeds(&decoded).lines().count(), payloads.len());
        for line in decoded.output.lines() {
            serde_json::from_str::<Value>(line)?;
        }
        let as_ast = command(context, &["decode", "--framing", "hex", "--output", "ast"], Some(&input))?;
        assert_eq!(succeeds(&as_ast).lines().count(), payloads.len());

        let of_one_line: Vec<&Vec<u8>> =
            payloads.iter().filter(|payload| !payload.contains(&b'\n')).collect();
        let lines: Vec<u8> =
            of_one_line.iter().flat_map(|payload| [payload.as_slice(), b"\n"].concat()).collect();
        let decoded = command(context, &["decode"], Some(&file("lines", &lines)?))?;
        assert_eq!(succeeds(&decoded).lines().count(), of_one_line.len());

        let framed: Vec<u8> = payloads.iter().flat_map(|payload| copy_data(payload)).collect();
        let decoded =
            command(context, &["decode", "--framing", "copydata"], Some(&file("copydata", &framed)?))?;
        assert_eq!(succeeds(&decoded).lines().count(), payloads.len());

        let faulty = file("faulty", b"BEGIN 1\ntable public.t: INSERT: id[integer]\nCOMMIT 1\n")?;
        let decoded = command(context, &["decode"], Some(&faulty))?;
        decoded.refused(1, &["1 of 3"]);
        assert_eq!(decoded.output.lines().count(), 2);
        Ok(())
    });
    suite.broker("config_shows_no_secret", async |context| {
        let nowhere = Address {
            host: "127.0.0.1".to_owned(),
            port: 5432,
            user: "someone".to_owned(),
            password: None,
            database: "nowhere".to_owned(),
        };
        let pipeline = Pipeline::new(context, &nowhere, &context.kafka()?);
        let shown = pipeline.command(&["config", "print"])?.ended()?;
        for word in ["nowhere", "start_timeout", "max_in_flight", "***"] {
            assert!(succeeds(&shown).contains(word), "no {word} in {}", shown.output);
        }
        let by_url = format!("\"postgresql://someone:{POSTGRES_SECRET}@127.0.0.1/nowhere\"");
        let by_url =
            pipeline.with("source", "dsn", &by_url).with("source.auth", "password", "{ env = \"X\" }");
        let shown = by_url.command(&["config", "print"])?.ended()?;
        assert!(!succeeds(&shown).contains(KAFKA_SECRET) && !shown.output.contains(POSTGRES_SECRET));
        let schema = command(context, &["config", "schema"], None)?;
        let schema: Value = serde_json::from_str(succeeds(&schema))?;
        assert!(schema.pointer("/properties/source").is_some());
        Ok(())
    });
    suite.postgres([15], "no_log_level_shows_a_secret", async |context| {
        let address = Address {
            user: "scram_user".to_owned(),
            password: Some(PASSWORD.to_owned()),
            ..context.postgres()?
        };
        let pipeline = Pipeline::new(context, &address, &context.kafka()?).librdkafka("debug", "all");
        let sluice = pipeline.command(&["--log-level", "trace", "run"])?;
        sluice.streams()?;
        sluice.terminate()?;
        let errors = sluice.errors()?;
        assert!(errors.contains("TRACE") || errors.contains("DEBUG"), "{errors}");
        assert!(!errors.contains(PASSWORD));
        Ok(())
    });
}

/// Runs a command to its end.
fn command(context: &Context, arguments: &[&str], input: Option<&Path>) -> Result<Ended> {
    Sluice::start(folder(context)?, arguments, &[], input)?.ended()
}

fn succeeds(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    &ended.output
}

fn url(address: &Address, password: &str) -> String {
    let Address { host, port, user, database, .. } = address;
    format!("postgresql://{user}:{}@{host}:{port}/{database}?sslmode=disable", password.replace(' ', "%20"))
}

/// The temporary slots of this database.
fn slots(session: &mut Session) -> Result<u32> {
    let sql = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND temporary";
    Ok(slot::value(session, sql)?.parse()?)
}

/// The payloads of a capture.
fn captured(path: &Path) -> Result<Vec<Vec<u8>>> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .skip(1)
        .map(|line| {
            let line: Value = serde_json::from_str(line)?;
            match (line.get("text").and_then(Value::as_str), line.get("hex").and_then(Value::as_str)) {
                (Some(text), _) => Ok(text.as_bytes().to_vec()),
                (None, Some(hex)) => unhex(hex),
                (None, None) => Err("neither text nor hex".into()),
            }
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<char> = text.chars().collect();
    digits.chunks(2).map(|pair| Ok(u8::from_str_radix(&pair.iter().collect::<String>(), 16)?)).collect()
}

/// A payload as the server frames it: CopyData of an XLogData at positions 1.
fn copy_data(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).saturating_add(4 + 25);
    let mut out = vec![b'd'];
    out.extend_from_slice(&length.to_be_bytes());
    out.push(b'w');
    for number in [1_u64, 1, 0] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(payload);
    out
}
