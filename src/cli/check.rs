//! x
use std::path::Path; use crate::error::Failure;
/// x
pub async fn execute(_f: &Path, _c: bool) -> Result<(), Failure> { Ok(()) }
