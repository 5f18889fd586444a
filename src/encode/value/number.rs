//! Numbers: copied once it is certain that they are JSON.

use super::{RawText, Target, ValueError};

/// `-5`.
pub(super) fn push_integer(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    if integer_length(text.bytes) != Some(text.bytes.len()) {
        return Err(ValueError::Form("an integer"));
    }
    target.out.extend_from_slice(text.bytes);
    Ok(())
}

/// `1.5`, `1e+20`; what JSON has no number for is a string.
pub(super) fn push_float(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    if matches!(text.bytes, b"NaN" | b"Infinity" | b"-Infinity") {
        return target.push_text(text);
    }
    if !is_json_number(text.bytes) {
        return Err(ValueError::Form("a floating-point number"));
    }
    target.out.extend_from_slice(text.bytes);
    Ok(())
}

/// `-$1,234.50`, as `lc_monetary=C` prints it, to `"-1234.50"`; any other form stays as it is.
pub(super) fn push_money(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    let (sign, unsigned) = split_sign(text.bytes);
    let Some((groups, cents)) = unsigned.strip_prefix(b"$").and_then(split_money) else {
        return target.push_text(text);
    };
    target.out.push(b'"');
    target.out.extend_from_slice(sign);
    target.out.extend(groups.iter().filter(|byte| **byte != b','));
    target.out.push(b'.');
    target.out.extend_from_slice(cents);
    target.out.push(b'"');
    Ok(())
}

/// `1,234.50`: exactly two digits behind the point, or it is another locale's form, in which a point may stand
/// between thousands.
fn split_money(amount: &[u8]) -> Option<(&[u8], &[u8])> {
    let (whole, cents) = amount.split_at_checked(amount.len().checked_sub(3)?)?;
    let cents = cents.strip_prefix(b".").filter(|cents| cents.iter().all(u8::is_ascii_digit))?;
    let mut groups = whole.split(|byte| *byte == b',');
    let first = groups.next()?;
    let grouped = (1..=3).contains(&first.len())
        && first.iter().all(u8::is_ascii_digit)
        && groups.all(|group| group.len() == 3 && group.iter().all(u8::is_ascii_digit));
    grouped.then_some((whole, cents))
}

fn split_sign(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(usize::from(text.starts_with(b"-")))
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Length of JSON's `int` at the start: no superfluous zero.
fn integer_length(text: &[u8]) -> Option<usize> {
    let (sign, unsigned) = split_sign(text);
    match (digits(unsigned), unsigned.first()) {
        (0, _) | (2.., Some(b'0')) => None,
        (count, _) => Some(sign.len() + count),
    }
}

fn is_json_number(text: &[u8]) -> bool {
    let Some((_, mut rest)) = integer_length(text).and_then(|length| text.split_at_checked(length)) else {
        return false;
    };
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = fraction.get(count..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e") {
        let unsigned =
            exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !unsigned.is_empty() && digits(unsigned) == unsigned.len();
    }
    rest.is_empty()
}
