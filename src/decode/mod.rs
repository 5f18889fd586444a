//! From the payload of one `XLogData` message to borrowed values. Pure: no IO, no clock.
//!
//! [`test_decoding`] parses the text of PostgreSQL's `test_decoding` plugin. What it gives borrows from the
//! payload and from the decoder's reused vectors, so it lives until the next payload. [`mod@array`] and [`hstore`]
//! take apart the text of values, [`timestamp`] the time of a commit.

pub mod array;
pub mod ast;
mod backslash;
pub mod error;
pub mod hstore;
pub mod print;
pub mod test_decoding;
pub mod timestamp;

use std::borrow::Cow;

pub use backslash::Backslashed;
pub use error::DecodeError;

/// One decoded payload.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// `BEGIN`.
    Begin(Begin),
    /// `COMMIT`.
    Commit(Commit<'a>),
    /// `INSERT`, `UPDATE` or `DELETE` of one row.
    Change(RowChange<'a>),
    /// `TRUNCATE` of one or more tables.
    Truncate(Truncate<'a>),
    /// A logical message (`pg_logical_emit_message`).
    Message(LogicalMessage<'a>),
    /// A line of a slot with two-phase decoding.
    TwoPhase(TwoPhase<'a>),
    /// A line of a streamed transaction (plugin option `stream-changes`).
    Streamed(Streamed<'a>),
}

/// `BEGIN [xid]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Top-level transaction id, 32 bits without epoch; absent without `include-xids`.
    pub xid: Option<u32>,
}

/// `COMMIT [xid] [(at …)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit<'a> {
    /// As in [`Begin`].
    pub xid: Option<u32>,
    /// The text between `(at ` and `)`; absent without `include-timestamp`.
    pub at: Option<&'a [u8]>,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new row.
    Insert,
    /// A changed row.
    Update,
    /// A deleted row.
    Delete,
}

/// One changed row.
#[derive(Clone, Copy, Debug)]
pub struct RowChange<'a> {
    /// The table.
    pub relation: Relation<'a>,
    /// What happened.
    pub op: Operation,
    /// The old tuple: of an update only where the server sent one, of a delete unless it said
    /// `(no-tuple-data)`. An empty tuple is not an absent one.
    pub old: Option<Columns<'a>>,
    /// The new tuple: of an insert and an update unless the server said `(no-tuple-data)`; absent in a delete.
    pub new: Option<Columns<'a>>,
}

/// A schema-qualified table name as it stands in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// `schema.table`, quotes and all: the cheapest key of a cache.
    pub text: &'a [u8],
    /// The schema.
    pub schema: Ident<'a>,
    /// The table.
    pub table: Ident<'a>,
}

/// An identifier as printed: bare, or in double quotes with `"` doubled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident<'a>(pub &'a [u8]);

impl<'a> Ident<'a> {
    /// The name itself, in the database's encoding.
    pub fn unquoted(self) -> Cow<'a, [u8]> {
        let Some(inner) = self.0.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
            return Cow::Borrowed(self.0);
        };
        undouble(inner, b'"')
    }
}

/// Where one column stands in its payload: byte offsets, so that a vector of them can be reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnSpan {
    /// Start of the name.
    pub name_start: u32,
    /// End of the name; the `[` stands here.
    pub name_end: u32,
    /// End of the type text, which starts behind the `[`; `]:` stands here.
    pub type_end: u32,
    /// Start of the literal, without its opening `'` or `B'`.
    pub value_start: u32,
    /// End of the literal, without its closing quote.
    pub value_end: u32,
    /// What kind of literal it is.
    pub kind: LiteralKind,
}

/// The kinds of literal the plugin prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralKind {
    /// `null`.
    Null,
    /// `unchanged-toast-datum`.
    UnchangedToast,
    /// `true` or `false`.
    Boolean,
    /// A bare number: a JSON number, or `NaN`, `Infinity`, `-Infinity`.
    Number,
    /// `B'…'`.
    Bits,
    /// `'…'` without a quote inside.
    Text,
    /// `'…'` with at least one doubled quote inside.
    EscapedText,
}

/// A column's value. Text is in the database's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal<'a> {
    /// SQL NULL.
    Null,
    /// A value stored out of line that the update did not touch: unknown, not null.
    UnchangedToast,
    /// A boolean.
    Boolean(bool),
    /// A number as printed: either a JSON number to the letter, or `NaN`, `Infinity`, `-Infinity`.
    Number(&'a [u8]),
    /// Binary digits.
    Bits(&'a [u8]),
    /// Text as it is.
    Text(&'a [u8]),
    /// Text in which every `'` is still doubled.
    EscapedText(&'a [u8]),
}

impl<'a> Literal<'a> {
    /// The text with doubled quotes undone; `None` for NULL and unchanged TOAST.
    pub fn text(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Null | Self::UnchangedToast => None,
            Self::Boolean(true) => Some(Cow::Borrowed(b"true")),
            Self::Boolean(false) => Some(Cow::Borrowed(b"false")),
            Self::Number(text) | Self::Bits(text) | Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::EscapedText(text) => Some(undouble(text, b'\'')),
        }
    }

    /// As [`text`](Self::text), but what cannot be borrowed is written to `scratch`, so that a reused one costs
    /// no allocation.
    pub fn text_in<'s>(self, scratch: &'s mut Vec<u8>) -> Option<&'s [u8]>
    where
        'a: 's,
    {
        let Self::EscapedText(text) = self else {
            return match self {
                Self::Null | Self::UnchangedToast | Self::EscapedText(_) => None,
                Self::Boolean(true) => Some(b"true"),
                Self::Boolean(false) => Some(b"false"),
                Self::Number(text) | Self::Bits(text) | Self::Text(text) => Some(text),
            };
        };
        scratch.clear();
        undouble_into(text, b'\'', scratch);
        Some(scratch)
    }
}

/// Every two `quote`s to one.
fn undouble(text: &[u8], quote: u8) -> Cow<'_, [u8]> {
    if memchr::memchr(quote, text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    undouble_into(text, quote, &mut plain);
    Cow::Owned(plain)
}

fn undouble_into(text: &[u8], quote: u8, plain: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(quote, rest) {
        let (before, quotes) = rest.split_at(at);
        plain.extend_from_slice(before);
        plain.push(quote);
        rest = quotes.get(2..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
}

/// The columns of one tuple, in the order printed: a view into the payload.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    payload: &'a [u8],
    spans: &'a [ColumnSpan],
    shape: u64,
}

/// One column of a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnValue<'a> {
    /// Name.
    pub name: Ident<'a>,
    /// Type as printed between the brackets, quotes and all.
    pub type_text: &'a [u8],
    /// `name[type` as it stands in the payload: equal bytes mean an equal column.
    pub declaration: &'a [u8],
    /// Value.
    pub value: Literal<'a>,
}

impl std::fmt::Debug for Columns<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Columns<'a> {
    /// A view of `spans`, which must have been made from `payload`.
    fn new(payload: &'a [u8], spans: &'a [ColumnSpan], shape: u64) -> Self {
        Self { payload, spans, shape }
    }

    /// A number that says which columns these are: tuples with an equal one declare the same columns, whatever
    /// decoder they come from. The reverse does not hold.
    pub fn shape(&self) -> (u64, usize) {
        (self.shape, self.spans.len())
    }

    /// How many columns were printed.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether none was printed.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The columns, in the order printed.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ColumnValue<'a>> + use<'a> {
        let payload = self.payload;
        self.spans.iter().map(move |span| column(payload, *span))
    }

    /// The values alone, in the order printed.
    pub fn values(&self) -> impl ExactSizeIterator<Item = Literal<'a>> + use<'a> {
        let payload = self.payload;
        self.spans.iter().map(move |span| literal(payload, *span))
    }

    /// The column at `index`.
    pub fn get(&self, index: usize) -> Option<ColumnValue<'a>> {
        self.spans.get(index).map(|span| column(self.payload, *span))
    }
}

/// An out-of-range span would be a bug of the decoder; it must not become a panic.
fn slice(payload: &[u8], start: u32, end: u32) -> &[u8] {
    payload.get(start as usize..end as usize).unwrap_or_default()
}

fn literal(payload: &[u8], span: ColumnSpan) -> Literal<'_> {
    let value = slice(payload, span.value_start, span.value_end);
    match span.kind {
        LiteralKind::Null => Literal::Null,
        LiteralKind::UnchangedToast => Literal::UnchangedToast,
        LiteralKind::Boolean => Literal::Boolean(value == b"true"),
        LiteralKind::Number => Literal::Number(value),
        LiteralKind::Bits => Literal::Bits(value),
        LiteralKind::Text => Literal::Text(value),
        LiteralKind::EscapedText => Literal::EscapedText(value),
    }
}

fn column(payload: &[u8], span: ColumnSpan) -> ColumnValue<'_> {
    let slice = |start: u32, end: u32| slice(payload, start, end);
    ColumnValue {
        name: Ident(slice(span.name_start, span.name_end)),
        type_text: slice(span.name_end + 1, span.type_end),
        declaration: slice(span.name_start, span.type_end),
        value: literal(payload, span),
    }
}

/// `TRUNCATE` of one or more tables.
#[derive(Clone, Copy, Debug)]
pub struct Truncate<'a> {
    /// The tables, in the order printed.
    pub relations: &'a [RelationSpan],
    /// The payload the spans refer to.
    pub payload: &'a [u8],
    /// `RESTART IDENTITY`.
    pub restart_seqs: bool,
    /// `CASCADE`.
    pub cascade: bool,
}

/// Where a table name stands in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationSpan {
    /// Start of the schema.
    pub start: u32,
    /// The dot between schema and table.
    pub dot: u32,
    /// End of the table.
    pub end: u32,
}

impl<'a> Truncate<'a> {
    /// The truncated tables.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = Relation<'a>> + use<'a> {
        let payload = self.payload;
        self.relations.iter().map(move |span| {
            let slice = |start: u32, end: u32| payload.get(start as usize..end as usize).unwrap_or_default();
            Relation {
                text: slice(span.start, span.end),
                schema: Ident(slice(span.start, span.dot)),
                table: Ident(slice(span.dot + 1, span.end)),
            }
        })
    }
}

/// A logical message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogicalMessage<'a> {
    /// Whether it belongs to a transaction, and so appears only if that commits.
    pub transactional: bool,
    /// Prefix, chosen by the application.
    pub prefix: &'a [u8],
    /// Content: any bytes.
    pub content: &'a [u8],
    /// How many readings of the text are possible; the one with the shortest prefix is taken.
    pub candidates: u32,
}

/// A line of a slot with two-phase decoding. The GID is as printed, quotes and escapes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoPhase<'a> {
    /// Which of the three.
    pub step: TwoPhaseStep,
    /// Global transaction id as printed.
    pub gid: &'a [u8],
    /// Transaction id.
    pub xid: Option<u32>,
    /// As in [`Commit`].
    pub at: Option<&'a [u8]>,
}

/// The steps of a two-phase commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwoPhaseStep {
    /// `PREPARE TRANSACTION`.
    Prepare,
    /// `COMMIT PREPARED`.
    CommitPrepared,
    /// `ROLLBACK PREPARED`.
    RollbackPrepared,
}

/// A line of a streamed transaction. It holds no row data, so the pipeline refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streamed<'a> {
    /// Which line it is.
    pub kind: StreamedKind<'a>,
    /// Transaction id.
    pub xid: Option<u32>,
    /// As in [`Commit`].
    pub at: Option<&'a [u8]>,
}

/// The lines of streamed transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamedKind<'a> {
    /// `opening a streamed block`.
    Start,
    /// `closing a streamed block`.
    Stop,
    /// `aborting streamed (sub)transaction`.
    Abort,
    /// `committing streamed transaction`.
    Commit,
    /// `preparing streamed transaction`, with the GID as printed.
    Prepare(&'a [u8]),
    /// `streaming change`.
    Change,
    /// `streaming truncate`.
    Truncate,
    /// `streaming message`; transactional ones have no content.
    Message {
        /// As in [`LogicalMessage`].
        transactional: bool,
        /// As in [`LogicalMessage`].
        prefix: &'a [u8],
        /// The size printed.
        size: u64,
        /// As in [`LogicalMessage`].
        content: Option<&'a [u8]>,
        /// As in [`LogicalMessage`].
        candidates: u32,
    },
}
