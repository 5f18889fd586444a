//! What a value has to be in JSON, and JSON that is read without losing its members' order or its numbers' digits.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON value by its meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    /// These very bytes: numbers, booleans, null.
    Exactly(String),
    /// A string of this text.
    Text(String),
    /// A string: these bytes in base64.
    Base64(Vec<u8>),
    /// An array of these.
    Array(Vec<Expected>),
    /// A string: an object of these members in this order.
    Object(Vec<(String, Option<String>)>),
    /// Whatever comes: the text did not have its type's form. It may be refused, too.
    Anything,
}

impl Expected {
    pub(super) fn null() -> Self {
        Self::Exactly("null".to_owned())
    }

    /// Whether something is in it that may be refused.
    pub(super) fn may_fail(&self) -> bool {
        match self {
            Self::Anything => true,
            Self::Array(items) => items.iter().any(Self::may_fail),
            _ => false,
        }
    }

    /// Fails where `found` is not this.
    pub(super) fn check(&self, found: &RawValue) {
        let found = found.get();
        match self {
            Self::Exactly(text) => assert_eq!(found, text),
            Self::Text(text) => assert_eq!(&string(found), text, "{found}"),
            Self::Base64(bytes) => assert_eq!(&from_base64(&string(found)), bytes, "{found}"),
            Self::Array(items) => {
                let values: Vec<&RawValue> = serde_json::from_str(found).expect("an array");
                assert_eq!(values.len(), items.len(), "{found} {items:?}");
                items.iter().zip(values).for_each(|(item, value)| item.check(value));
            }
            Self::Object(members) => {
                let text = string(found);
                let object: Members<'_> = serde_json::from_str(&text).expect("an object");
                let found: Vec<(String, Option<String>)> = object
                    .0
                    .iter()
                    .map(|(name, value)| {
                        (name.clone(), serde_json::from_str(value.get()).expect("a string or null"))
                    })
                    .collect();
                assert_eq!(&found, members, "{text}");
            }
            Self::Anything => {}
        }
    }
}

/// The text of a JSON string.
pub(super) fn string(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: no string: {json}"))
}

/// The members of an object, in order, twins included.
#[derive(Debug)]
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(super) fn of(json: &'a [u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", json.escape_ascii()))
    }

    pub(super) fn get(&self, name: &str) -> &'a RawValue {
        let mut found = self.0.iter().filter(|(member, _)| member == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => value,
            _ => panic!("not exactly one {name} in {:?}", self.0),
        }
    }

    /// Fails where these are not the members, in this order.
    pub(super) fn check(&self, expected: &[(String, Expected)]) {
        let names: Vec<&String> = self.0.iter().map(|(name, _)| name).collect();
        assert_eq!(names, expected.iter().map(|(name, _)| name).collect::<Vec<_>>());
        self.0.iter().zip(expected).for_each(|((_, found), (_, expected))| expected.check(found));
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;

        impl<'de> Visitor<'de> for Ordered {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Ordered)
    }
}

/// Six bits a digit; what is left over must be zero.
pub(super) fn from_base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(text.len() % 4, 0, "{text}");
    let digits = text.trim_end_matches('=');
    assert!(text.len() - digits.len() <= 2, "{text}");
    let bits: Vec<u8> = digits
        .bytes()
        .flat_map(|digit| {
            let value = alphabet.iter().position(|known| *known == digit).expect("a digit of base64");
            (0..6).rev().map(move |bit| u8::from(value >> bit & 1 == 1))
        })
        .collect();
    let (bytes, rest) = bits.as_chunks::<8>();
    assert!(rest.len() < 6 && rest.iter().all(|bit| *bit == 0), "{text}");
    bytes.iter().map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}
