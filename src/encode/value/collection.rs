//! Arrays as nested JSON arrays, `hstore` as the text of a JSON object.

use std::mem;

use super::{RawText, Target, ValueEncoder, ValueError};
use crate::decode::Backslashed;
use crate::decode::array::{ArrayToken, ArrayTokens};
use crate::decode::hstore::HstorePairs;
use crate::encode::json::{self, Quotes};

/// `{1,NULL}` to `[1,null]`. Lower bounds other than 1 are not sent.
pub(super) fn push_array(
    text: RawText<'_>,
    element: &ValueEncoder,
    delimiter: u8,
    target: &mut Target<'_>,
) -> Result<(), ValueError> {
    let mut undoubled = mem::take(&mut target.scratch.undoubled);
    let mut plain = mem::take(&mut target.scratch.element);
    let done = push_tokens(undoubled_text(text, &mut undoubled), element, delimiter, &mut plain, target);
    target.scratch.undoubled = undoubled;
    target.scratch.element = plain;
    done
}

fn push_tokens(
    text: &[u8],
    element: &ValueEncoder,
    delimiter: u8,
    plain: &mut Vec<u8>,
    target: &mut Target<'_>,
) -> Result<(), ValueError> {
    let mut behind_item = false;
    for token in ArrayTokens::new(text, delimiter)? {
        let token = token?;
        if behind_item && token != ArrayToken::Close {
            target.out.push(b',');
        }
        behind_item = token != ArrayToken::Open;
        match token {
            ArrayToken::Open => target.out.push(b'['),
            ArrayToken::Close => target.out.push(b']'),
            ArrayToken::Null => target.out.extend_from_slice(b"null"),
            ArrayToken::Bare(text) => element.write(RawText::plain(text), target)?,
            ArrayToken::Quoted(text) => {
                element.write(RawText::plain(without_backslashes(text, plain)), target)?;
            }
        }
    }
    Ok(())
}

/// `"a"=>"1", "b"=>NULL` to `"{\"a\":\"1\",\"b\":null}"`, in the server's order.
pub(super) fn push_hstore(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    // An array of hstore has taken `undoubled`, and its elements hold no doubled quotes any more.
    let mut undoubled = mem::take(&mut target.scratch.undoubled);
    let mut part = mem::take(&mut target.scratch.part);
    let mut object = mem::take(&mut target.scratch.json);
    object.clear();
    let done = push_pairs(undoubled_text(text, &mut undoubled), &mut part, &mut object, target);
    if done.is_ok() {
        // Only text that was checked or transcoded has been put together.
        match str::from_utf8(&object) {
            Ok(object) => json::push_string(target.out, object, Quotes::Single),
            Err(_) => return Err(ValueError::Form("hstore")),
        }
    }
    target.scratch.undoubled = undoubled;
    target.scratch.part = part;
    target.scratch.json = object;
    done
}

fn push_pairs(
    text: &[u8],
    part: &mut Vec<u8>,
    object: &mut Vec<u8>,
    target: &mut Target<'_>,
) -> Result<(), ValueError> {
    object.push(b'{');
    for pair in HstorePairs::new(text) {
        let (key, value) = pair?;
        if object.len() > 1 {
            object.push(b',');
        }
        let decoded = target.charset.decode(without_backslashes(key, part), &mut target.scratch.text)?;
        json::push_inner_string(object, decoded);
        object.push(b':');
        match value {
            None => object.extend_from_slice(b"null"),
            Some(value) => {
                let decoded =
                    target.charset.decode(without_backslashes(value, part), &mut target.scratch.text)?;
                json::push_inner_string(object, decoded);
            }
        }
    }
    object.push(b'}');
    Ok(())
}

/// The text with doubled `'` undone, in `buffer` if there can be any.
fn undoubled_text<'a>(text: RawText<'a>, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if text.quotes == Quotes::Single {
        return text.bytes;
    }
    buffer.clear();
    let mut rest = text.bytes;
    while let Some((before, quotes)) = memchr::memchr(b'\'', rest).and_then(|at| rest.split_at_checked(at)) {
        buffer.extend_from_slice(before);
        buffer.push(b'\'');
        rest = quotes.get(2..).unwrap_or_default();
    }
    buffer.extend_from_slice(rest);
    buffer
}

/// The text without its backslashes, in `buffer` if there are any.
fn without_backslashes<'a>(text: Backslashed<'a>, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr::memchr(b'\\', text.0).is_none() {
        return text.0;
    }
    buffer.clear();
    text.pieces().for_each(|piece| buffer.extend_from_slice(piece));
    buffer
}
