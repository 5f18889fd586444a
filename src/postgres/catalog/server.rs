//! The server, as far as a pipeline cares.

use std::time::Duration;

use super::{Row, flag, parsed, text};

/// Settings and state of the server, the database and the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `server_version_num`: 150018 is 15.18.
    pub version: u32,
    /// `server_version`, for people.
    pub version_text: String,
    /// The database's encoding, which the stream's text is in.
    pub encoding: String,
    /// `wal_level`.
    pub wal_level: String,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// The next transaction id, in 64 bits.
    pub next_xid: u64,
    /// The database.
    pub database: String,
    /// The role logged in as.
    pub role: String,
    /// Whether the role has the REPLICATION attribute itself. Managed servers grant it in other ways.
    pub may_replicate: bool,
    /// `wal_sender_timeout`; `None` when it is off.
    pub wal_sender_timeout: Option<Duration>,
}

impl Server {
    pub(super) fn from_row(row: &Row) -> Option<Self> {
        Some(Self {
            version: parsed(row, 0)?,
            version_text: text(row, 1)?.to_owned(),
            encoding: text(row, 2)?.to_owned(),
            wal_level: text(row, 3)?.to_owned(),
            in_recovery: flag(row, 4)?,
            next_xid: parsed(row, 5)?,
            database: text(row, 6)?.to_owned(),
            role: text(row, 7)?.to_owned(),
            may_replicate: flag(row, 8).unwrap_or(false),
            wal_sender_timeout: duration(text(row, 9)?),
        })
    }
}

/// PostgreSQL's text for a time setting: a whole number with ms, s, min, h or d; 0 is off.
fn duration(setting: &str) -> Option<Duration> {
    let digits = setting.find(|c: char| !c.is_ascii_digit()).unwrap_or(setting.len());
    let (number, unit) = setting.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    (number > 0).then(|| Duration::from_millis(number.saturating_mul(millis)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn time_settings() {
        assert_eq!(duration("1min"), Some(Duration::from_mins(1)));
        assert_eq!(duration("2500ms"), Some(Duration::from_millis(2500)));
        assert_eq!(duration("0"), None);
        assert_eq!(duration("x"), None);
    }
}
