//! A server's catalog on a port of this machine, as far as a pipeline asks: every table it is asked for exists and
//! has the columns `id integer`, its primary key, and `v text`.
//!
//! It has a thread of its own, so tests with it run by the real clock.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use pgsluice::encode::charset::Charset;
use pgsluice::encode::{EncodeOptions, Encoder};
use pgsluice::pipeline::emitter::{EventFormat, Format};
use pgsluice::pipeline::plans::Plans;
use pgsluice::pipeline::table_filter::{Rule, TableFilter};
use pgsluice::postgres::catalog::Catalog;
use pgsluice::postgres::client::{ConnectOptions, Login};

use super::scripted::{auth_ok, complete, data_row, key, parameter, ready, row_description};

/// Events of all tables, which are looked up at a server on this port.
pub(crate) fn events(port: u16) -> Format {
    let mut options = ConnectOptions::new("127.0.0.1", "ada", "shop");
    options.port = port;
    let charset = Charset::from_server_encoding("UTF8").unwrap();
    let filter = TableFilter::new(vec![Rule { include: "*".to_owned(), exclude: Vec::new() }]);
    Format::Events(Box::new(EventFormat {
        encoder: Encoder::new(&EncodeOptions::new("shop", "shop"), charset.clone()).unwrap(),
        plans: Plans::new(filter, charset),
        catalog: Catalog::new(Login { options, password: None }),
        message_topic: "shop.message".to_owned(),
    }))
}

/// Serves one connection after the other on a port that it returns, for as long as the tests run.
pub(crate) fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            // A client that went away is no fault.
            drop(talk(connection.unwrap()));
        }
    });
    port
}

fn talk(mut stream: TcpStream) -> std::io::Result<()> {
    body(&mut stream)?;
    let session = [auth_ok(), parameter("server_version", "15.20"), key(1, &[0; 4]), ready()];
    stream.write_all(&session.concat())?;
    loop {
        let mut tag = [0];
        stream.read_exact(&mut tag)?;
        let sql = String::from_utf8(body(&mut stream)?).unwrap();
        if tag != *b"Q" {
            return Ok(());
        }
        stream.write_all(&answer(&sql))?;
    }
}

fn body(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn answer(sql: &str) -> Vec<u8> {
    let rows = match sql.split_once("c.relname = '") {
        Some((_, rest)) => {
            let table = rest.split('\'').next().unwrap();
            vec![data_row(&[
                Some("1"),
                Some("public"),
                Some(table),
                Some("r"),
                Some("d"),
                Some("p"),
                Some("t"),
                Some("[\"id\"]"),
                None,
            ])]
        }
        None => [("id", "integer", "23", "int4"), ("v", "text", "25", "text")]
            .map(|(name, printed, oid, type_name)| {
                let type_of = [Some(name), Some(printed), Some("f"), Some("-1"), Some(oid), Some(type_name)];
                data_row(&[&type_of[..], &[None; 3]].concat())
            })
            .to_vec(),
    };
    [
        row_description(&["a", "b", "c", "d", "e", "f", "g", "h", "i"]),
        rows.concat(),
        complete("SELECT"),
        ready(),
    ]
    .concat()
}
