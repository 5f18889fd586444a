//! Every encoding a server can have: names, values and messages come as the database's own bytes, and the grammar's are
//! told from them.

use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{Decoded, Operation};

use crate::context::Context;
use crate::corpus;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::session::{Session, literal};

/// Lead bytes, and how many bytes follow.
type Form = (&'static [u8], usize);

/// Lead bytes, and how many of 0xA1 or more follow, of the encodings with more than one byte a character.
const MULTI_BYTE: [(&str, &[Form]); 6] = [
    ("EUC_CN", &[(&[], 2)]),
    ("EUC_JIS_2004", &[(&[], 2), (KANA, 1), (&[0x8F], 2)]),
    ("EUC_JP", &[(&[], 2), (KANA, 1), (&[0x8F], 2)]),
    ("EUC_KR", &[(&[], 2)]),
    ("EUC_TW", &[(&[], 2), (&[0x8E, 0xA2], 2)]),
    ("MULE_INTERNAL", &[(&[0x81], 1), (&[0x90], 2), (&[0x9A, 0xA1], 1), (&[0x9C, 0xF1], 2)]),
];
/// Behind this stands no byte above 0xDF.
const KANA: &[u8] = &[0x8E];
/// What a name may be long.
const NAME: usize = 63;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([12, 18], "server_encodings::come_as_bytes", async |context| {
        let address = context.postgres()?;
        let mut session = Session::open(&address, &address.database)?;
        // Those that only clients can have come last.
        let names = session.query("SELECT pg_encoding_to_char(i) FROM generate_series(0, 34) i")?;
        let names: Vec<String> = names.into_iter().flatten().flatten().collect();
        assert!(names.len() == 35 && names.last().is_some_and(|name| name == "KOI8U"), "{names:?}");
        for name in &names {
            comes_as_bytes(context, name).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    });
}

/// Characters of the encoding, one after the other.
fn characters(encoding: &str) -> Vec<Vec<u8>> {
    if encoding == "UTF8" {
        return "é日\u{1f600}\u{80}\u{7ff}\u{800}\u{ffff}\u{10ffff}"
            .chars()
            .map(|c| c.to_string().into())
            .collect();
    }
    let Some((_, forms)) = MULTI_BYTE.iter().find(|(name, _)| *name == encoding) else {
        return (0x80..=0xFF).map(|byte| vec![byte]).collect();
    };
    let form = |(lead, rest): &Form| {
        let lead = lead.to_vec();
        let bytes =
            |rest: usize| move |byte: u8| [byte, 0xFE - (byte - 0xA1)].into_iter().take(rest).collect();
        let last = if lead == KANA { 0xDF } else { 0xFE };
        let tails: Vec<Vec<u8>> = (0xA1..=last).map(bytes(*rest)).collect();
        tails.into_iter().map(move |tail| [lead.clone(), tail].concat())
    };
    forms.iter().flat_map(form).collect()
}

/// As many of the characters as there is room for.
fn named(start: &[u8], characters: &[Vec<u8>]) -> Vec<u8> {
    let mut name = start.to_vec();
    for character in characters {
        if name.len() + character.len() <= NAME {
            name.extend_from_slice(character);
        }
    }
    name
}

fn comes_as_bytes(context: &Context, encoding: &str) -> Result<()> {
    let characters = characters(encoding);
    let all = characters.concat();
    // What the grammar is made of stands right beside other characters.
    let value = [&all, b"' x[y]:'".as_slice(), &all].concat();
    let name = named(b"\"]: ", &characters);
    let type_name = named(b"\"[]:", &characters);
    let address = context.database(encoding)?;
    // There is no conversion to UTF-8 from some.
    let mut session = Session::open_with(&address, &address.database, &[("client_encoding", encoding)])?;
    let slot = literal(context.prefix());
    session.query(&format!("SELECT pg_create_logical_replication_slot({slot}, 'test_decoding')"))?;
    // The statement itself is ASCII.
    let text = |bytes: &[u8]| format!("convert_from('\\x{}', '{encoding}')", corpus::hex(bytes));
    let (name_text, type_text, value_text) = (text(&name), text(&type_name), text(&value));
    session.query(&format!(
        "DO $$ BEGIN
           EXECUTE format('CREATE SCHEMA %1$I; CREATE TYPE %1$I.%2$I AS ENUM (%1$L)', {name_text}, {type_text});
           EXECUTE format('CREATE TABLE %1$I.%1$I (%1$I %1$I.%2$I, v text)', {name_text}, {type_text});
           EXECUTE format('INSERT INTO %1$I.%1$I VALUES (%1$L, %2$L)', {name_text}, {value_text});
           PERFORM pg_logical_emit_message(true, {value_text}, '\\x{}'::bytea);
         END $$",
        corpus::hex(&value)
    ))?;
    let rows = session.query(&format!(
        "SELECT encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes({slot}, NULL, NULL)"
    ))?;
    session.query(&format!("SELECT pg_drop_replication_slot({slot})"))?;
    let payloads: Vec<Vec<u8>> =
        rows.into_iter().flatten().flatten().map(|data| corpus::unhex(&data)).collect();
    let mut decoder = TestDecoding::new();
    let (mut rows, mut messages) = (0, 0);
    for payload in &payloads {
        match decoder.decode(payload)? {
            Decoded::Change(change) => {
                rows += 1;
                assert_eq!(change.op, Operation::Insert);
                assert_eq!(*change.relation.schema.unquoted(), *name);
                assert_eq!(*change.relation.table.unquoted(), *name);
                let row = change.new.ok_or("no row")?;
                let columns: Vec<_> = row.iter().collect();
                let [label, text] = columns.as_slice() else { return Err("not two columns".into()) };
                assert_eq!(*label.name.unquoted(), *name);
                // Each name begins with a quote, which is doubled.
                let in_quotes = [b"\"\"", name.as_slice(), b"\".\"\"", &type_name, b"\""].concat();
                assert_eq!(label.type_text, in_quotes);
                assert_eq!(label.value.text().as_deref(), Some(name.as_slice()));
                assert_eq!((text.name.0, text.type_text), (b"v".as_slice(), b"text".as_slice()));
                assert_eq!(text.value.text().as_deref(), Some(value.as_slice()));
            }
            Decoded::Message(message) => {
                messages += 1;
                assert_eq!((message.prefix, message.content), (value.as_slice(), value.as_slice()));
                assert!(message.transactional && message.candidates == 1);
            }
            Decoded::Begin(_) | Decoded::Commit(_) => {}
            other => return Err(format!("{other:?}").into()),
        }
    }
    assert_eq!((rows, messages), (1, 1), "{payloads:?}");
    Ok(())
}
