//! libpq's own program, where the machine has it: what it makes of the same settings.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::Context;
use crate::support::Result;

/// Its major version; `None`: there is none.
pub(crate) fn major() -> Option<u16> {
    let output = Command::new("psql").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}

/// The answer to a query without anything of the user's own, or what it said in place of one.
pub(crate) fn ask(
    conninfo: &str,
    home: &Path,
    environment: &[(&str, &str)],
    query: &str,
) -> Result<std::result::Result<String, String>> {
    let mut command = Command::new("psql");
    command.args(["-X", "-A", "-t", "-w", "-c", query, conninfo]).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("HOME", home).env("PGCONNECT_TIMEOUT", "20");
    let output = command.envs(environment.iter().copied()).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map(|text| text.trim_end().to_owned());
    Ok(if output.status.success() { Ok(text(output.stdout)?) } else { Err(text(output.stderr)?) })
}

/// A home without any file of libpq's.
pub(crate) fn empty_home(context: &Context) -> Result<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(context.prefix());
    std::fs::create_dir_all(&home)?;
    Ok(home)
}
