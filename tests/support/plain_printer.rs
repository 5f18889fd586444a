//! Row messages as plain data, and a printer of them written after the grammar: the plugin in small. It shares no
//! code with the decoder or its printer.

/// A row message.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) schema: Ident,
    pub(crate) table: Ident,
    pub(crate) event: Event,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Insert(Option<Vec<Column>>),
    Update(Option<Vec<Column>>, Option<Vec<Column>>),
    Delete(Option<Vec<Column>>),
}

/// A name, and whether the server quotes it although it need not: keywords, `quote_all_identifiers`.
#[derive(Clone, Debug)]
pub(crate) struct Ident {
    pub(crate) name: Vec<u8>,
    pub(crate) quoted: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: Ident,
    /// As printed between the brackets.
    pub(crate) type_text: Vec<u8>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    UnchangedToast,
    Boolean(bool),
    Number(String),
    Bits(String),
    Text(Vec<u8>),
}

/// What the plugin writes for `row`.
pub(crate) fn print(row: &Row) -> Vec<u8> {
    let mut out = b"table ".to_vec();
    print_relation(&row.schema, &row.table, &mut out);
    match &row.event {
        Event::Insert(new) => {
            out.extend(b": INSERT:");
            print_tuple(new.as_deref(), &mut out);
        }
        Event::Update(old, new) => {
            out.extend(b": UPDATE:");
            if let Some(old) = old {
                out.extend(b" old-key:");
                print_columns(old, &mut out);
                out.extend(b" new-tuple:");
            }
            print_tuple(new.as_deref(), &mut out);
        }
        Event::Delete(old) => {
            out.extend(b": DELETE:");
            print_tuple(old.as_deref(), &mut out);
        }
    }
    out
}

/// `schema.table`.
pub(crate) fn print_relation(schema: &Ident, table: &Ident, out: &mut Vec<u8>) {
    print_ident(schema, out);
    out.push(b'.');
    print_ident(table, out);
}

pub(crate) fn print_ident(ident: &Ident, out: &mut Vec<u8>) {
    let bare = ident.name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'_' | b'0'..=b'9'))
        && !ident.name[0].is_ascii_digit();
    if bare && !ident.quoted {
        out.extend(&ident.name);
    } else {
        print_quoted(&ident.name, b'"', out);
    }
}

/// `quote`, the text with `quote` doubled, `quote`.
pub(crate) fn print_quoted(text: &[u8], quote: u8, out: &mut Vec<u8>) {
    out.push(quote);
    for byte in text {
        out.push(*byte);
        if *byte == quote {
            out.push(quote);
        }
    }
    out.push(quote);
}

fn print_tuple(columns: Option<&[Column]>, out: &mut Vec<u8>) {
    match columns {
        None => out.extend(b" (no-tuple-data)"),
        Some(columns) => print_columns(columns, out),
    }
}

fn print_columns(columns: &[Column], out: &mut Vec<u8>) {
    for column in columns {
        out.push(b' ');
        print_ident(&column.name, out);
        out.push(b'[');
        out.extend(&column.type_text);
        out.extend(b"]:");
        match &column.value {
            Value::Null => out.extend(b"null"),
            Value::UnchangedToast => out.extend(b"unchanged-toast-datum"),
            Value::Boolean(value) => out.extend(value.to_string().as_bytes()),
            Value::Number(number) => out.extend(number.as_bytes()),
            Value::Bits(bits) => out.extend(format!("B'{bits}'").as_bytes()),
            Value::Text(text) => print_quoted(text, b'\'', out),
        }
    }
}
