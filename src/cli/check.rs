//! x
use crate::error::Failure;
use std::path::Path;
/// x
pub async fn execute(_f: &Path, _c: bool) -> Result<(), Failure> {
    Ok(())
}
