//! SQLSTATE codes (manual, "PostgreSQL Error Codes"): only those this crate decides by.

use std::fmt;

/// Five upper-case letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `08P01` `protocol_violation`.
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// `22023` `invalid_parameter_value`.
    pub const INVALID_PARAMETER: Self = Self(*b"22023");
    /// `28000` `invalid_authorization_specification`.
    pub const INVALID_AUTHORIZATION: Self = Self(*b"28000");
    /// `28P01` `invalid_password`.
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// `3D000` `invalid_catalog_name`: no such database.
    pub const NO_SUCH_DATABASE: Self = Self(*b"3D000");
    /// `40001` `serialization_failure`; on a standby a conflict with recovery.
    pub const SERIALIZATION_FAILURE: Self = Self(*b"40001");
    /// `42501` `insufficient_privilege`.
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(*b"42501");
    /// `42602` `invalid_name`.
    pub const INVALID_NAME: Self = Self(*b"42602");
    /// `42704` `undefined_object`: no such slot.
    pub const UNDEFINED_OBJECT: Self = Self(*b"42704");
    /// `42710` `duplicate_object`: the slot exists.
    pub const DUPLICATE_OBJECT: Self = Self(*b"42710");
    /// `53300` `too_many_connections`.
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// `53400` `configuration_limit_exceeded`: no free slot.
    pub const CONFIGURATION_LIMIT: Self = Self(*b"53400");
    /// `55000` `object_not_in_prerequisite_state`.
    pub const NOT_IN_PREREQUISITE_STATE: Self = Self(*b"55000");
    /// `55006` `object_in_use`.
    pub const OBJECT_IN_USE: Self = Self(*b"55006");
    /// `55P02` `cant_change_runtime_param`.
    pub const CANT_CHANGE_PARAMETER: Self = Self(*b"55P02");
    /// `57014` `query_canceled`.
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// `57P01` `admin_shutdown`.
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// `57P02` `crash_shutdown`.
    pub const CRASH_SHUTDOWN: Self = Self(*b"57P02");
    /// `57P03` `cannot_connect_now`.
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// `58P01` `undefined_file`: the plugin's library does not load.
    pub const UNDEFINED_FILE: Self = Self(*b"58P01");
    /// `XX000` `internal_error`.
    pub const INTERNAL_ERROR: Self = Self(*b"XX000");

    /// The code a server sent; `None` for what is not five letters and digits.
    pub fn parse(code: &[u8]) -> Option<Self> {
        let code = <[u8; 5]>::try_from(code).ok()?;
        code.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()).then_some(Self(code))
    }

    /// The first two characters.
    pub fn class(self) -> [u8; 2] {
        let Self([first, second, ..]) = self;
        [first, second]
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
