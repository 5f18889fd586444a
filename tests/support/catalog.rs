//! A server's catalog, as far as a pipeline asks: every table it is asked for exists and has the columns
//! `id integer`, its primary key, and `v text`. It answers at once, without a socket or a task, or not at all.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pgsluice::encode::charset::Charset;
use pgsluice::encode::{EncodeOptions, Encoder};
use pgsluice::pipeline::emitter::{EventFormat, Format};
use pgsluice::pipeline::plans::Plans;
use pgsluice::pipeline::table_filter::{Rule, TableFilter};
use pgsluice::postgres::catalog::Catalog;
use pgsluice::postgres::client::login::{Dial, LoginError};
use pgsluice::postgres::client::{ConnectOptions, Connection, Mode, connect_with};
use pgsluice::postgres::transport::dial::Dialed;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::scripted::{auth_ok, complete, data_row, key, one_row, parameter, ready, row_description};

/// Opens connections to the catalog.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScriptedCatalog {
    /// Queries are not answered from now on.
    pub(crate) silent: Rc<Cell<bool>>,
    /// No transaction that is asked for is visible from now on.
    pub(crate) behind: Rc<Cell<bool>>,
}

impl ScriptedCatalog {
    /// Events of the tables that match, which are looked up here.
    pub(crate) fn events(&self, include: &str) -> Format<Self> {
        let charset = Charset::from_server_encoding("UTF8").unwrap();
        let filter = TableFilter::new(vec![Rule { include: include.to_owned(), exclude: Vec::new() }]);
        Format::Events(Box::new(EventFormat {
            encoder: Encoder::new(&EncodeOptions::new("shop", "shop"), charset.clone()).unwrap(),
            plans: Plans::new(filter, charset),
            catalog: Catalog::new(self.clone()),
            message_topic: "shop.message".to_owned(),
        }))
    }
}

impl Dial for ScriptedCatalog {
    type Stream = Answering;

    async fn dial(&self, mode: Mode) -> Result<Connection<Answering>, LoginError> {
        let stream = || Answering {
            of: self.clone(),
            asked: Vec::new(),
            answers: VecDeque::new(),
            logged_in: false,
            reader: None,
        };
        let options = ConnectOptions::new("unused", "ada", "shop");
        let dial = async || Ok(Dialed { stream: stream(), round_trip: None });
        Ok(connect_with(dial, &options, mode).await?)
    }

    async fn dial_with_buffer(
        &self,
        mode: Mode,
        _receive_buffer: Option<u32>,
    ) -> Result<Connection<Answering>, LoginError> {
        self.dial(mode).await
    }
}

/// A connection that answers what is written to it.
#[derive(Debug)]
pub(crate) struct Answering {
    of: ScriptedCatalog,
    /// What was written and not answered yet.
    asked: Vec<u8>,
    answers: VecDeque<u8>,
    logged_in: bool,
    reader: Option<Waker>,
}

impl Answering {
    fn answer(&mut self) {
        // Only the first message has no type.
        let tag = usize::from(self.logged_in);
        while let Some(length) = self.asked.get(tag..tag + 4) {
            let length = tag + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.asked.len() < length {
                return;
            }
            let message: Vec<u8> = self.asked.drain(..length).collect();
            if !self.logged_in {
                self.logged_in = true;
                let session = [auth_ok(), parameter("server_version", "15.20"), key(1, &[0; 4]), ready()];
                self.answers.extend(session.concat());
                return;
            }
            if message[0] == b'Q' && !self.of.silent.get() {
                let sql = std::str::from_utf8(&message[5..]).unwrap();
                if sql.contains("txid_visible_in_snapshot") {
                    let visible = if self.of.behind.get() { "f" } else { "t" };
                    self.answers.extend(one_row(&[("visible", Some(visible))], "SELECT 1"));
                } else {
                    self.answers.extend(answer(sql));
                }
            }
        }
    }
}

impl AsyncRead for Answering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.answers.is_empty() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buf.remaining().min(self.answers.len());
        let bytes: Vec<u8> = self.answers.drain(..count).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Answering {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.asked.extend_from_slice(bytes);
        self.answer();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn answer(sql: &str) -> Vec<u8> {
    if sql.contains("txid_visible_in_snapshot") {
        // Whatever has committed is visible at once.
        return [row_description(&["visible"]), data_row(&[Some("t")]), complete("SELECT"), ready()].concat();
    }
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
