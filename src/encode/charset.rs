//! From the database's encoding to UTF-8.
//!
//! Logical decoding sends text in the database's encoding whatever `client_encoding` says. The tables built here
//! give for every byte sequence what PostgreSQL's own conversions give (manual, "Character Set Support"); where
//! PostgreSQL has no character for a byte but the Encoding Standard has, that one is taken, so that a row that
//! was stored can also leave. All encodings of servers are supersets of ASCII.

use encoding_rs::Encoding;

/// The first byte of the two-byte rows and columns of the EUC encodings.
const EUC_FIRST: u8 = 0xA1;
/// Rows, and columns, of an EUC plane.
const EUC_ROWS: usize = 94;
/// Stands in tables for "no character".
const NONE: u16 = 0;

/// `EUC_JP` sequences that PostgreSQL knows beyond the Encoding Standard: 8FF3F3 to 8FF3FE, then 8FF4A1 to 8FF4FE.
/// As numbers, because some of the characters do not survive Unicode's normalization.
const EUC_JP_IBM_ROWS: [u16; 106] = [
    0x2170, 0x2171, 0x2172, 0x2173, 0x2174, 0x2175, 0x2176, 0x2177, 0x2178, 0x2179, 0x2160, 0x2161, 0x2162,
    0x2163, 0x2164, 0x2165, 0x2166, 0x2167, 0x2168, 0x2169, 0xFF07, 0xFF02, 0x3231, 0x2116, 0x2121, 0x70BB,
    0x4EFC, 0x50F4, 0x51EC, 0x5307, 0x5324, 0xFA0E, 0x548A, 0x5759, 0xFA0F, 0xFA10, 0x589E, 0x5BEC, 0x5CF5,
    0x5D53, 0xFA11, 0x5FB7, 0x6085, 0x6120, 0x654E, 0x663B, 0x6665, 0xFA12, 0xF929, 0x6801, 0xFA13, 0xFA14,
    0x6A6B, 0x6AE2, 0x6DF8, 0x6DF2, 0x7028, 0xFA15, 0xFA16, 0x7501, 0x7682, 0x769E, 0xFA17, 0x7930, 0xFA18,
    0xFA19, 0xFA1A, 0xFA1B, 0x7AE7, 0xFA1C, 0xFA1D, 0x7DA0, 0x7DD6, 0xFA1E, 0x8362, 0xFA1F, 0x85B0, 0xFA20,
    0xFA21, 0x8807, 0xFA22, 0x8B7F, 0x8CF4, 0x8D76, 0xFA23, 0xFA24, 0xFA25, 0x90DE, 0xFA26, 0x9115, 0xFA27,
    0xFA28, 0x9592, 0xF9DC, 0xFA29, 0x973B, 0x974D, 0x9751, 0xFA2A, 0xFA2B, 0xFA2C, 0x999E, 0x9AD9, 0x9B72,
    0xFA2D, 0x9ED1,
];

/// The database's encoding cannot be transcoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database's encoding {name} cannot be transcoded to UTF-8; supported are UTF8, SQL_ASCII holding UTF-8, \
     EUC_CN, EUC_JP, EUC_KR and the single-byte encodings (LATIN…, ISO_8859_…, WIN…, KOI8…)"
)]
pub struct UnsupportedEncoding {
    /// The encoding's name as PostgreSQL reports it.
    pub name: String,
}

/// A value is not text in the database's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of the value does not belong to text in the encoding {encoding}{}", hint(.encoding))]
pub struct InvalidText {
    /// The encoding's name as PostgreSQL reports it.
    pub encoding: &'static str,
    /// Where the first wrong sequence starts, in bytes.
    pub offset: usize,
}

fn hint(encoding: &str) -> &'static str {
    match encoding {
        "SQL_ASCII" => ": a SQL_ASCII database may hold any bytes, but only UTF-8 can be sent",
        _ => "",
    }
}

/// How text of the database becomes UTF-8.
#[derive(Clone, Debug)]
pub struct Charset {
    name: &'static str,
    tables: Tables,
}

#[derive(Clone, Debug)]
enum Tables {
    /// Checked only.
    Utf8,
    /// The characters of the bytes from 0x80.
    SingleByte(Vec<u16>),
    /// The planes of an EUC encoding.
    Euc {
        /// Two bytes, both from 0xA1.
        main: Vec<u16>,
        /// Behind 0x8F: two further bytes from 0xA1. Empty where the encoding has none.
        supplement: Vec<u16>,
        /// Behind 0x8E: one further byte from 0xA1. Empty where the encoding has none.
        kana: Vec<u16>,
    },
}

impl Charset {
    /// UTF-8.
    pub fn utf8() -> Self {
        Self { name: "UTF8", tables: Tables::Utf8 }
    }

    /// By the name in the parameter `server_encoding`.
    pub fn from_server_encoding(name: &str) -> Result<Self, UnsupportedEncoding> {
        Self::known(name).ok_or_else(|| UnsupportedEncoding { name: name.to_owned() })
    }

    fn known(name: &str) -> Option<Self> {
        let (name, tables) = match name {
            "UTF8" => ("UTF8", Tables::Utf8),
            "SQL_ASCII" => ("SQL_ASCII", Tables::Utf8),
            "EUC_CN" => ("EUC_CN", euc(encoding_rs::GBK, &[(0xA1, 0xA4, 0x30FB), (0xA1, 0xAA, 0x2015)])),
            "EUC_KR" => ("EUC_KR", euc(encoding_rs::EUC_KR, &[(0xA2, 0xE8, 0x327E)])),
            "EUC_JP" => ("EUC_JP", euc_jp()),
            other => single_byte(other)?,
        };
        Some(Self { name, tables })
    }

    /// The encoding's name as PostgreSQL reports it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// `text` in UTF-8: as it is where it is that already, else transcoded into `scratch`, which keeps its
    /// memory from call to call.
    pub fn decode<'a>(&self, text: &'a [u8], scratch: &'a mut String) -> Result<&'a str, InvalidText> {
        if !matches!(self.tables, Tables::Utf8) && !text.is_ascii() {
            scratch.clear();
            self.transcode(text, scratch)?;
            return Ok(scratch);
        }
        str::from_utf8(text).map_err(|error| InvalidText { encoding: self.name, offset: error.valid_up_to() })
    }

    fn transcode(&self, text: &[u8], out: &mut String) -> Result<(), InvalidText> {
        let mut rest = text;
        while let Some((&first, behind)) = rest.split_first() {
            let (character, behind) = if first.is_ascii() {
                (Some(char::from(first)), behind)
            } else {
                self.character(first, behind)
            };
            let offset = text.len() - rest.len();
            out.push(character.ok_or(InvalidText { encoding: self.name, offset })?);
            rest = behind;
        }
        Ok(())
    }

    /// The character that starts with `first`, which is not ASCII, and what follows it.
    fn character<'a>(&self, first: u8, behind: &'a [u8]) -> (Option<char>, &'a [u8]) {
        let (code, used) = match &self.tables {
            Tables::Utf8 => (None, 0),
            Tables::SingleByte(table) => (table.get(usize::from(first & 0x7F)), 0),
            Tables::Euc { main, supplement, kana } => match (first, behind) {
                (0x8E, [second, ..]) => (euc_column(*second).and_then(|column| kana.get(column)), 1),
                (0x8F, [second, third, ..]) => (cell(supplement, *second, *third), 2),
                (_, [second, ..]) => (cell(main, first, *second), 1),
                _ => (None, 0),
            },
        };
        let character = code.filter(|code| **code != NONE).and_then(|code| char::from_u32(u32::from(*code)));
        (character, behind.get(used..).unwrap_or_default())
    }
}

fn euc_column(byte: u8) -> Option<usize> {
    byte.checked_sub(EUC_FIRST).map(usize::from).filter(|column| *column < EUC_ROWS)
}

fn cell(plane: &[u16], row: u8, column: u8) -> Option<&u16> {
    plane.get(euc_column(row)? * EUC_ROWS + euc_column(column)?)
}

/// The name and table of a single-byte encoding.
fn single_byte(name: &str) -> Option<(&'static str, Tables)> {
    let (name, encoding) = match name {
        // Bytes are code points; in the Encoding Standard the name means windows-1252.
        "LATIN1" => return Some(("LATIN1", Tables::SingleByte((0x80..=0xFF).collect()))),
        "LATIN2" => ("LATIN2", encoding_rs::ISO_8859_2),
        "LATIN3" => ("LATIN3", encoding_rs::ISO_8859_3),
        "LATIN4" => ("LATIN4", encoding_rs::ISO_8859_4),
        "LATIN5" => ("LATIN5", encoding_rs::WINDOWS_1254),
        "LATIN6" => ("LATIN6", encoding_rs::ISO_8859_10),
        "LATIN7" => ("LATIN7", encoding_rs::ISO_8859_13),
        "LATIN8" => ("LATIN8", encoding_rs::ISO_8859_14),
        "LATIN9" => ("LATIN9", encoding_rs::ISO_8859_15),
        "LATIN10" => ("LATIN10", encoding_rs::ISO_8859_16),
        "ISO_8859_5" => ("ISO_8859_5", encoding_rs::ISO_8859_5),
        "ISO_8859_6" => ("ISO_8859_6", encoding_rs::ISO_8859_6),
        "ISO_8859_7" => ("ISO_8859_7", encoding_rs::ISO_8859_7),
        "ISO_8859_8" => ("ISO_8859_8", encoding_rs::ISO_8859_8),
        "WIN866" => ("WIN866", encoding_rs::IBM866),
        "WIN874" => ("WIN874", encoding_rs::WINDOWS_874),
        "WIN1250" => ("WIN1250", encoding_rs::WINDOWS_1250),
        "WIN1251" => ("WIN1251", encoding_rs::WINDOWS_1251),
        "WIN1252" => ("WIN1252", encoding_rs::WINDOWS_1252),
        "WIN1253" => ("WIN1253", encoding_rs::WINDOWS_1253),
        "WIN1254" => ("WIN1254", encoding_rs::WINDOWS_1254),
        "WIN1255" => ("WIN1255", encoding_rs::WINDOWS_1255),
        "WIN1256" => ("WIN1256", encoding_rs::WINDOWS_1256),
        "WIN1257" => ("WIN1257", encoding_rs::WINDOWS_1257),
        "WIN1258" => ("WIN1258", encoding_rs::WINDOWS_1258),
        "KOI8R" => ("KOI8R", encoding_rs::KOI8_R),
        "KOI8U" => ("KOI8U", encoding_rs::KOI8_U),
        _ => return None,
    };
    let character = |byte: u8| match (name, byte) {
        // ISO 8859-9 has control characters where windows-1254 has punctuation.
        ("LATIN5", 0x80..=0x9F) => u16::from(byte),
        // KOI8-U of RFC 2319, without the Belarusian letter.
        ("KOI8U", 0xAE) => 0x255D,
        ("KOI8U", 0xBE) => 0x256C,
        _ => one_character(encoding, &[byte]),
    };
    Some((name, Tables::SingleByte((0x80..=0xFF).map(character).collect())))
}

fn euc(encoding: &'static Encoding, exceptions: &[(u8, u8, u16)]) -> Tables {
    let mut main = plane(|row, column| one_character(encoding, &[row, column]));
    for (row, column, character) in exceptions {
        put(&mut main, *row, *column, *character);
    }
    Tables::Euc { main, supplement: Vec::new(), kana: Vec::new() }
}

fn euc_jp() -> Tables {
    let encoding = encoding_rs::EUC_JP;
    let mut supplement = plane(|row, column| one_character(encoding, &[0x8F, row, column]));
    // The fullwidth broken bar.
    put(&mut supplement, 0xA2, 0xC3, 0xFFE4);
    let sequences =
        (0xF3..=0xFE).map(|column| (0xF3, column)).chain((0xA1..=0xFE).map(|column| (0xF4, column)));
    for ((row, column), character) in sequences.zip(EUC_JP_IBM_ROWS) {
        put(&mut supplement, row, column, character);
    }
    Tables::Euc {
        main: plane(|row, column| one_character(encoding, &[row, column])),
        supplement,
        kana: euc_bytes().map(|column| one_character(encoding, &[0x8E, column])).collect(),
    }
}

fn euc_bytes() -> impl Iterator<Item = u8> {
    EUC_FIRST..=0xFE
}

fn plane(character: impl Fn(u8, u8) -> u16) -> Vec<u16> {
    euc_bytes()
        .flat_map(|row| euc_bytes().map(move |column| (row, column)))
        .map(|(r, c)| character(r, c))
        .collect()
}

fn put(plane: &mut [u16], row: u8, column: u8, character: u16) {
    let index = euc_column(row).zip(euc_column(column)).map(|(row, column)| row * EUC_ROWS + column);
    if let Some(cell) = index.and_then(|index| plane.get_mut(index)) {
        *cell = character;
    }
}

/// The one character below U+10000 that `bytes` are; all that the encodings here have are.
fn one_character(encoding: &'static Encoding, bytes: &[u8]) -> u16 {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    let mut characters = text.as_deref().unwrap_or_default().chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => u16::try_from(u32::from(character)).unwrap_or(NONE),
        _ => NONE,
    }
}

#[cfg(test)]
mod tests;
